"""Whether an audit finds annotation that was changed."""
