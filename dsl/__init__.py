"""Text to syntax tree: the parser, its diagnostics, and the formatter.

`parser.parse` reads a file, `render` shows what is wrong with it, `format.format_source` gives it the one
style, `codes` explains each diagnostic. The nodes are in `ast`; nothing here knows what a name means.
"""
