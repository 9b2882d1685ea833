"""Long-term notes: kept across threads, found by words and by meaning."""
