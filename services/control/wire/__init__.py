"""The control service's wire: alone in knowing parameter names, encodings, statuses and answer shapes."""
