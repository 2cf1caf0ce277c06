"""Users' tables in: reading, encoding, scaling and splitting what a network is trained on.

This is where doubt ends. A table is read and checked once, here, and what leaves is plain float64 in rows and columns,
so the page and the engines need not ask again. A row is a pattern; a column is an input or a target.
"""

from chainrule.tables.blocks import Block as Block
from chainrule.tables.blocks import Blocks as Blocks
from chainrule.tables.blocks import open_blocks as open_blocks
from chainrule.tables.encoding import Encoding as Encoding
from chainrule.tables.encoding import UnseenGap as UnseenGap
from chainrule.tables.encoding import UnseenLevel as UnseenLevel
from chainrule.tables.reading import read_table as read_table
from chainrule.tables.scaling import Scaling as Scaling
from chainrule.tables.splitting import split as split
from chainrule.tables.table import BadData as BadData
from chainrule.tables.table import Kind as Kind
from chainrule.tables.table import Table as Table
from chainrule.tables.table import match as match
from chainrule.tables.table import require_finite as require_finite
from chainrule.tables.targets import Targets as Targets
from chainrule.tables.text import Dialect as Dialect
