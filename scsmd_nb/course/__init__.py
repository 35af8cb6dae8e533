"""The course: exercises that check themselves. The lessons are in nbs/course.

Written by hand. The checks of a lesson load when one of them is first asked for.
"""

from .._faces import hand_on

__getattr__, __dir__, __all__ = hand_on(__name__, {
    "core": ("EXERCISES", "TRIES", "Exercise", "Hint", "Verdict", "check", "seal", "verdict"),
    "records": ("report",),
    "exam": ("questions", "mark", "answer_key"),
})
