"""A published run or model becomes exports, reports and words on the terminal."""
