"""Web search: engines, pages, citations, and the tool that models see."""
