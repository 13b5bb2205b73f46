"""Questions as people talk over three databases, to look in with once rules are made."""
