"""Why cameras do not agree with their images, in words and numbers. Start: `explain.diagnose`; causes: `causes`."""
