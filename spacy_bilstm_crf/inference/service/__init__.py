"""An HTTP service with a page: texts in, entities out."""

from .app import Extension, Service, make_app, name_and_version
from .body import Limits, Refused
from .dynamic_batching import Request
from .server import ServerSettings, app_of, bound, own_names, run_server, set_thresholds
