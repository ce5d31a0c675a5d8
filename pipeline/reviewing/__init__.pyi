from .choice import choose_run as choose_run
from .desk import Desk as Desk, open_desk as open_desk
from .web.app import make_app as make_app
from .web.serve import serve as serve
