"""The plan and its expressions: the vocabulary that the compiler and the runtime share."""
