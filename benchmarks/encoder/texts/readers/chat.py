"""Chat: logs of IRC channels."""

import re

from . import Documents
from .markup import decode

BOTS = {"ubotu", "ubottu", "ubotwo", "dpkg"}
MESSAGE = re.compile(r"\[\d\d:\d\d\] <([^>]+)> (.*)")  # [12:34] <nick> text
ADDRESSEE = re.compile(r"^[\w\[\]|`^{}\-]+[:,]\s+")
# Addresses, paths, commands to the server or a bot, code, and the channels for pasted text
NOT_TALK = re.compile(r"https?:|www\.|/\w+/|^[!/]|[|{}<>=\\$]|(?i:paste\b.*#)")


def irc_log(data: bytes) -> Documents:
    """Read a log of an IRC channel: what people say, without who says it and to whom."""
    messages = []
    for line in decode(data).split("\n"):
        match = MESSAGE.match(line)
        if match is None or match[1].lower() in BOTS:
            continue
        message = ADDRESSEE.sub("", match[2])
        if len(message.split()) >= 3 and not NOT_TALK.search(message):
            messages.append(message)
    return [messages]
