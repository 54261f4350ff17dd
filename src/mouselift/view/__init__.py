"""One scene description, shown live in the browser or inside the report."""
