"""The methods that scSMD is compared with, behind one interface.

Written by hand. A method's module loads when the method is first asked for.
"""

from .registry import BUDGETS, Method, get, names, register, title

__all__ = ["BUDGETS", "Method", "get", "names", "register", "title"]
