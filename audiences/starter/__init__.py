"""The small project that ``audiences init`` makes."""
