"""XML that anybody may have sent."""

import re

from .errors import UserError

# Declarations may blow up to gigabytes or name files, and nobody needs one
DECLARATIONS = re.compile(r"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)
# A parser would read bytes in the encoding that is named there, in which declarations may hide
PROLOG = re.compile(r"\ufeff?\s*<\?xml[^>]*\?>")


def plain_xml(xml: str, what: str) -> str:
    """Return XML that has nothing but elements, to be read in UTF-8.

    Args:
        xml: The XML.
        what: What messages call it.

    Raises:
        UserError: If it declares a document type or entities.
    """
    if DECLARATIONS.search(xml):
        raise UserError(f"{what} has a document type or entities: leave them out.")
    return PROLOG.sub("", xml, count=1) if PROLOG.match(xml) else xml
