"""Fine-tuning the Siamese encoder on labelled pairs; imported when training only."""
