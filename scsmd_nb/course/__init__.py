"""The course: exercises that check themselves. The lessons are in nbs/course.

Written by hand. The checks of a lesson load when one of them is first asked for.
"""

from .core import EXERCISES, Exercise, Hint, Verdict, check, seal, verdict

__all__ = ["EXERCISES", "Exercise", "Hint", "Verdict", "check", "seal", "verdict"]
