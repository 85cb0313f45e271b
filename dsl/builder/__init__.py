"""From the grammar's rules to the nodes of `ast`: one method for each rule, called as the rule is read.

Every method is total. What the grammar lets through and the language does not (a value that is not a
call as a statement, a modifier twice) is reported here, as diagnostics; the meaning of names and types is
the compiler's.

`declarations` has the rules of a whole file, over those of `statements`, `expressions` and `atoms`.
"""

from wfc.dsl.builder.base import Children as Children
from wfc.dsl.builder.base import ParseField as ParseField
from wfc.dsl.builder.declarations import Builder as Builder
