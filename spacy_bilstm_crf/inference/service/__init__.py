"""An HTTP service with a page: texts in, entities out."""

from .app import make_app
from .body import Limits
from .server import ServerSettings, app_of, bound, own_names, run_server
