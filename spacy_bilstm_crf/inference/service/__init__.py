"""An HTTP service with a page: texts in, entities out."""

from .app import Extension, make_app
from .body import Limits, Refused
from .dynamic_batching import Request
from .server import ServerSettings, app_of, bound, own_names, run_server, set_thresholds
from .service import Service, name_and_version
