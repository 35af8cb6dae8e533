"""Answers to the exercises: right ones in odd forms, and wrong ones that look right with a word of their hint.

Each function gives the answers to one lesson: right ones, then wrong ones, each with a pattern of its hint.
"""

import math
from fractions import Fraction

import numpy as np
import pandas as pd


def lesson1():
    from scsmd_nb.course.core import blood_cells

    x = blood_cells()
    share = 1 - x.X.nnz / (x.n_obs * x.n_vars)

    def mito(X, m):
        total = X.sum(1)
        return np.divide(X[:, m].sum(1), total, out=np.zeros(len(X)), where=total > 0)

    undo = lambda lg, t: np.rint(np.expm1(lg) * t[:, None] / 1e4)
    good = dict(min_genes=700, max_genes=1600, max_mito=0.12)
    fano = lambda X: X.var(0) / np.maximum(X.mean(0), 1e-9)
    right = [
        ("1.1", share),
        ("1.1", np.array([share])),
        ("1.1", round(share, 2)),
        ("1.1", np.float32(share)),
        ("1.1", Fraction(float(share))),
        ("1.2", mito),
        ("1.2", lambda X, m: mito(X, m)[:, None]),
        ("1.2", lambda X, m: mito(X, m).tolist()),
        ("1.2", lambda X, m: pd.Series(mito(X, m))),
        ("1.2", lambda X, m: np.nan_to_num(X[:, m].sum(1) / X.sum(1))),
        ("1.2", lambda X, m: X @ m / np.maximum(X.sum(1), 1)),
        ("1.4", undo),
        ("1.4", lambda lg, t: undo(lg, t).astype(int)),
        ("1.4", lambda lg, t: pd.DataFrame(undo(lg, t))),
        ("1.4", lambda lg, t: ((np.exp(lg) - 1).T * t / 1e4).T.round()),
        ("1.5", fano),
        ("1.5", lambda X: fano(X).tolist()),
        ("1.5", lambda X: fano(X)[None]),
        ("1.5", lambda X: np.log(X.var(0) + 1e-9) - np.log(X.mean(0) + 1e-9)),
    ]
    wrong = [
        ("1.1", 1 - share, "stored"),
        ("1.1", f"{share:.0%}", "one number"),
        ("1.1", 100 * share, "percent"),
        ("1.1", x.X.nnz, "not a share"),
        ("1.1", [share, share], "one number"),
        ("1.1", np.True_, "one number"),
        ("1.2", lambda X, m: X[:, m].sum() / X.sum(), "shape"),
        ("1.2", lambda X, m: X[:, m].sum(0), "axis"),
        ("1.2", lambda X, m: X[:, m].mean(1) / np.maximum(X.mean(1), 1e-9), "definition"),
        ("1.2", lambda X, m: mito(X, m) + (X.sum(1) == 0), "share 0"),
        ("1.2", lambda X, m: np.nan_to_num(X[:, m].sum(1) / X[:, ~m].sum(1)), "included"),
        ("1.3", {**good, "max_mito": 12}, "percent"),
        ("1.3", {**good, "min_genes": 5000}, "no cell can pass"),
        ("1.3", {**good, "max_genes": "many"}, "max_genes"),
        ("1.3", list(good.values()), "dictionary"),
        ("1.3", dict(min_genes=0, max_genes=10**6, max_mito=1), "left"),
        ("1.4", lambda lg, t: np.expm1(lg), "scaling is not"),
        ("1.4", lambda lg, t: np.expm1(lg) * t[:, None] / 1e4, "round"),
        ("1.4", lambda lg, t: undo(lg, t)[:5], "shape"),
        ("1.4", lambda lg, t: np.rint(np.expm1(lg) * t / 1e4), "axis"),
        ("1.5", lambda X: X.var(0), "variance"),
        ("1.5", lambda X: X.std(0), "variance"),
        ("1.5", lambda X: X.mean(0), "strong"),
        ("1.5", lambda X: -fano(X), "Upside down"),
    ]
    return right, wrong


def lesson2():
    import torch
    from scipy import special, stats

    from scsmd_nb.course.core import blood_cells
    from scsmd_nb.nn.likelihood import nb_log_prob, nb_loss

    x = blood_cells()[:, "NKG7"].X.toarray().ravel().astype(float)
    p0, g = math.exp(-x.mean()), special.gammaln
    logp = lambda x, m, p: stats.nbinom.logpmf(x, p, p / (p + m))
    powers = lambda x, m, p: p * np.log(p / (p + m)) + x * np.log(m / (p + m))
    extra = lambda x: x.var() - x.mean()
    phi = lambda x: x.mean() ** 2 / extra(x) if extra(x) > 0 else math.inf
    slope = lambda x, m, p: p * (m - x) / (p + m)

    def by_torch(x, m, p):
        t = m.log().detach().requires_grad_()
        return torch.autograd.grad(nb_loss(x, t.exp(), p), t)[0]

    def by_step(x, m, p):
        up, down = (-logp(x, m * math.exp(h), p) for h in (1e-5, -1e-5))
        return (up - down) / 2e-5

    right = [
        ("2.1", p0),
        ("2.1", 0.13),
        ("2.1", np.array([p0])),
        ("2.1", torch.tensor(p0)),
        ("2.1", stats.poisson.pmf(0, x.mean())),
        ("2.2", logp),
        ("2.2", nb_log_prob),
        ("2.2", lambda x, m, p: special.loggamma(x + p) - g(x + 1) - g(p) + powers(x, m, p)),
        ("2.2", lambda x, m, p: powers(x, m, p) - np.log(x + p) - special.betaln(x + 1, p)),
        ("2.2", lambda x, m, p: [logp(*v) for v in zip(x, m, p)]),
        ("2.2", lambda x, m, p: logp(x, m, p)[:, None]),
        ("2.3", phi),
        ("2.3", lambda x: np.array([phi(x)])),
        ("2.3", lambda x: torch.tensor(phi(x))),
        ("2.3", lambda x: min(phi(x), 1e6)),
        (
            "2.3",
            lambda x: np.float64(x.mean()) ** 2 / extra(x) if x.var(ddof=1) > x.mean() else 1e9,
        ),
        ("2.4", slope),
        ("2.4", lambda x, m, p: (m - x) / (1 + m / p)),
        ("2.4", lambda x, m, p: m * (x + p) / (p + m) - x),
        ("2.4", by_torch),
        ("2.4", by_step),
        ("2.5", dict(gene="NKG7", why="c")),
        ("2.5", dict(gene="NKG7", why="(c) the gene belongs to some types", note="mine")),
        ("2.5", dict(gene="LTB", why="D")),
    ]
    wrong = [
        ("2.1", 0.14, "what is left"),
        ("2.1", math.exp(-2), "mean itself"),
        ("2.1", (x == 0).mean(), "seen"),
        ("2.1", "0.13", "one number"),
        ("2.1", (x == 0).sum(), "number of cells"),
        ("2.1", x.mean() * p0, "what is left"),
        ("2.2", lambda x, m, p: g(x + p) - g(x) - g(p) + powers(x, m, p), r"\+ 1 is missing"),
        ("2.2", lambda x, m, p: math.lgamma(x + p) - math.lgamma(x + 1) - math.lgamma(p), "single"),
        ("2.2", lambda x, m, p: g(x + p) - g(x + 1) + powers(x, m, p), "factor by factor"),
        ("2.2", lambda x, m, p: stats.nbinom.logpmf(x, p, m / (p + m)), "two powers have changed"),
        ("2.2", lambda x, m, p: print(end=""), "returns nothing"),
        ("2.2", lambda x, m, p: g(x + p) - g(x + 1) * g(p) + powers(x, m, p), "is a sum"),
        ("2.2", lambda x, m, p: logp(x, m, p) + m * np.log(x), "where x is 0"),
        ("2.2", lambda x, m, p: logp(x, m, p) if x > 0 else p * np.log(p / (p + m)), r"np\.where"),
        (
            "2.2",
            lambda x, m, p: math.log(math.gamma(x + p) / math.factorial(x) / math.gamma(p)),
            "called with arrays",
        ),
        ("2.2", lambda x, m, p: stats.nbinom.pmf(x, p, p / (p + m)), "logarithm"),
        ("2.2", lambda x, m, p: logp(x, m, p) / math.log(2), "factor by factor"),
        ("2.2", lambda x, m, p: stats.poisson.logpmf(x, m), "factor by factor"),
        ("2.2", lambda x, m, p: logp(x, m, p).mean(), "shape"),
        ("2.3", lambda x: x.mean() ** 2 / max(extra(x), 1e-9), "without any"),
        ("2.3", lambda x: abs(x.mean() ** 2 / extra(x)), "which phi"),
        ("2.3", lambda x: x.mean() / extra(x) if extra(x) > 0 else math.inf, "units"),
        ("2.3", lambda x: x.mean() ** 2 / (x.std() - x.mean()), "standard deviation"),
        ("2.3", lambda x: 1 / phi(x), "1 / phi"),
        ("2.3", lambda x: phi(x) if extra(x) > 0 else None, "which phi"),
        ("2.3", lambda x: phi(x) if extra(x) > 0 else "Poisson", "which phi"),
        ("2.3", lambda x: phi(x) if extra(x) > 0 else x.missing, "which phi"),
        ("2.4", lambda x, m, p: (x - m) * p / (p + m), "sign"),
        ("2.4", lambda x, m, p: slope(x, m, p) / m, "chain rule"),
        ("2.4", lambda x, m, p: slope(x, m, 1 / p), "two terms"),
        ("2.4", lambda x, m, p: slope(x, m, p).sum(), "shape"),
        ("2.5", dict(gene="NKG7", why="a b c d e f g h"), "letters"),
        (
            "2.5",
            dict(gene="NKG7", why="It is dropout, as in every gene with many zeros."),
            "letters",
        ),
        ("2.5", dict(gene="NKG7", why="a"), "lost molecules"),
        ("2.5", dict(gene="LTB", why="c"), "gone, or left"),
        ("2.5", dict(gene="nkg7", why="c"), "written like"),
        ("2.5", dict(gene="NKG7", why="c, it is on in some types"), "letter alone"),
        ("2.5", dict(gene="MALAT1", why="c"), "MALAT1"),
        ("2.5", ("NKG7", "c"), "dictionary"),
    ]
    return right, wrong


def lesson3():
    import torch
    from sklearn.decomposition import PCA

    layers = [200, 64, 8, 64, 200]
    n = sum((a + 1) * b for a, b in zip(layers, layers[1:]))

    def pca(x, new, d):
        return (model := PCA(d).fit(x)).inverse_transform(model.transform(new))

    def svd(x, new, d):
        x, new = torch.tensor(x), torch.tensor(new)
        axes = torch.linalg.svd(x - x.mean(0), full_matrices=False).Vh[:d]
        return (new - x.mean(0)) @ axes.T @ axes + x.mean(0)

    def stop(losses, patience):
        best = 0
        for e, loss in enumerate(losses):
            best = e if loss < losses[best] else best
            if e - best >= patience:
                break
        return best

    def late(losses, patience):
        return stop(losses, patience + 1)

    def tie(losses, patience):
        best = 0
        for e, loss in enumerate(losses):
            best = e if loss <= losses[best] else best
            if e - best >= patience:
                break
        return best

    def hide(x, share, g):
        return torch.where(torch.rand(x.shape, generator=g) < share, torch.zeros(()), x)

    def same_number(x, share, g):
        gone = torch.randperm(x.numel(), generator=g)[: round(share * x.numel())]
        out = x.clone().flatten()
        out[gone] = 0
        return out.view_as(x)

    good = dict(
        change="d = 2", usual=[0.75, 0.76, 0.74], changed=[0.72, 0.735, 0.71], claim="better"
    )
    right = [
        ("3.1", n),
        ("3.1", float(n)),
        ("3.1", np.array([n])),
        ("3.1", torch.tensor(n)),
        ("3.2", pca),
        ("3.2", svd),
        ("3.2", lambda x, new, d: pca(x, new, d).tolist()),
        ("3.2", lambda x, new, d: pd.DataFrame(pca(x, new, d))),
        ("3.3", stop),
        ("3.3", lambda losses, p: np.int64(stop(losses, p))),
        ("3.3", lambda losses, p: [stop(losses, p)]),
        ("3.4", hide),
        ("3.4", lambda x, s, g: x * (torch.rand(x.shape, generator=g) >= s)),
        ("3.4", lambda x, s, g: x * torch.bernoulli(torch.full_like(x, 1 - s), generator=g)),
        ("3.5", good),
        ("3.5", {**good, "usual": np.array(good["usual"]), "change": "width"}),
        ("3.5", {**good, "changed": [0.75, 0.765, 0.73], "claim": "cannot tell"}),
    ]
    wrong = [
        ("3.1", n - 2 * 64 - 208, "constants"),
        ("3.1", n + 200, "dispersions"),
        ("3.1", n + 0.5, "whole number"),
        ("3.1", n - 1, "Add up"),
        ("3.1", str(n), "whole number"),
        ("3.2", lambda x, new, d: pca(new, new, d), "Held-out"),
        ("3.2", lambda x, new, d: PCA(d).fit(x).transform(new), "way back"),
        ("3.2", lambda x, new, d: pca(x, new, d) - x.mean(0), "centred"),
        ("3.2", lambda x, new, d: pca(x, x, d), "x_new"),
        ("3.2", lambda x, new, d: PCA(d, whiten=True).fit_transform(x), "shape"),
        ("3.3", late, "one epoch longer"),
        ("3.3", tie, "earlier epoch"),
        ("3.3", lambda losses, p: int(np.argmin(losses)), "lowest loss of the whole"),
        ("3.3", lambda losses, p: stop(losses, p) + 1, "from 0"),
        ("3.3", lambda losses, p: min(stop(losses, p) + p, len(losses) - 1), "training ends"),
        ("3.3", lambda losses, p: len(losses) - 1, "lowest loss of the whole"),
        ("3.4", same_number, "exactly the same number"),
        ("3.4", lambda x, s, g: torch.nn.functional.dropout(x, s), "multiplies"),
        ("3.4", lambda x, s, g: x * (torch.rand(x.shape) >= s), "generator"),
        ("3.4", lambda x, s, g: x * (torch.rand(x.shape, generator=g) < s), "kept"),
        ("3.4", lambda x, s, g: x * (torch.rand(x.shape[1], generator=g) >= s), "Whole genes"),
        ("3.4", lambda x, s, g: x.mul_(torch.rand(x.shape, generator=g) >= s), "x itself"),
        ("3.4", lambda x, s, g: (torch.rand(x.shape, generator=g) >= s).float(), "mask"),
        ("3.5", {**good, "claim": "worse"}, "sign"),
        ("3.5", {**good, "claim": "cannot tell"}, "less than"),
        ("3.5", {**good, "usual": 0.75}, "list"),
        ("3.5", {**good, "change": ""}, "as text"),
        ("3.5", {**good, "changed": [0.7, 0.7, 0.7]}, "seed"),
        ("3.5", {**good, "claim": "Better!"}, "one of"),
    ]
    return right, wrong


def lesson4():
    import torch

    length = lambda L, k, s, p, d: (L + 2 * p - d * (k - 1) - 1) // s + 1
    conv = lambda L, k, s, p, d: torch.nn.Conv1d(1, 1, k, s, p, d)(torch.zeros(1, 1, L)).shape[-1]

    def by_conv(w, d):  # for tensors
        x = torch.randn(1, 1, 3, 3)
        wide = torch.nn.functional.conv2d(x, w[None, None], padding=d, dilation=d)
        return w[1, 1] if torch.allclose(wide, x * w[1, 1]) else None

    types = np.repeat(["a", "b", "c"], 30)
    mixed = lambda n: np.r_[types[n:], types[:n]]

    def study(usual, changed, **more):
        from scsmd_nb.tl.metrics import ari

        gap = np.array([ari(types, b) - ari(types, a) for a, b in zip(usual, changed)])
        error = gap.std(ddof=1) / len(gap) ** 0.5
        found = dict(
            change="x", types=types, usual=usual, changed=changed, mean=gap.mean(), error=error
        )
        return found | {k: v(gap) if callable(v) else v for k, v in more.items()}

    usual, changed = [mixed(n) for n in (9, 8, 6)], [mixed(n) for n in (8, 8, 5)]
    near = [np.where(np.arange(90) < n, "b", types) for n in (1, 1, 2)]
    nearer = [types, near[1], near[1]]  # differences of a hundredth
    as_codes = [pd.Series(run).astype("category") for run in changed]
    right = [
        ("4.1", length),
        ("4.1", conv),
        ("4.1", lambda L, k, s, p, d: math.floor((L + 2 * p - d * (k - 1) - 1) / s + 1)),
        ("4.1", lambda L, k, s, p, d: len(range(0, L + 2 * p - d * (k - 1), s))),
        ("4.1", lambda L, k, s, p, d: float(length(L, k, s, p, d))),
        ("4.1", lambda L, k, s, p, d: np.array([length(L, k, s, p, d)])),
        ("4.2", 12),
        ("4.2", 12.0),
        ("4.2", [12]),
        ("4.3", "c"),
        ("4.3", "(c)"),
        ("4.3", "c)"),
        ("4.3", " C. "),
        ("4.3", "(c) 1 to 2, so a feature is never removed"),
        ("4.4", lambda w, d: w[1, 1] if d > 2 else None),
        ("4.4", lambda w, d: w[1:2, 1:2] if d >= 3 else None),
        ("4.4", by_conv),
        ("4.4", lambda w, d: torch.as_tensor(w)[1, 1] if d >= 3 else None),
        ("4.4", lambda w, d: float(w.ravel()[4]) if d >= 3 else None),
        ("4.5", study(usual, changed)),
        ("4.5", study(usual, as_codes, error=lambda g: round(g.std(ddof=1) / 3**0.5, 3))),
        ("4.5", study(usual, usual)),
        ("4.5", study(usual, changed) | dict(usual=pd.DataFrame(usual).T)),
    ]
    wrong = [
        ("4.1", lambda L, k, s, p, d: (L + 2 * p - k) // s + 1, "with gaps"),
        ("4.1", lambda L, k, s, p, d: (L + 2 * p - d * (k - 1) - 1) / s + 1, "round down"),
        ("4.1", lambda L, k, s, p, d: round((L + 2 * p - d * (k - 1) - 1) / s) + 1, "not"),
        ("4.1", lambda L, k, s, p, d: (L + 2 * p - d * k) // s + 1, "span"),
        ("4.1", lambda L, k, s, p, d: (L + 2 * p - d * (k - 1)) // s, "not"),
        ("4.1", lambda L, k: L - k + 1, "TypeError"),
        ("4.2", 9, "does see"),
        ("4.2", 13, "share one place|Write down"),
        ("4.2", 12.5, "Write down"),
        ("4.2", "twelve", "whole number"),
        ("4.2", {4, 6, 8, 10}, "whole number"),
        ("4.3", "a", "added"),
        ("4.3", "(b)", "sigmoid"),
        ("4.3", "c or d", "letters"),
        ("4.3", "cd)", "letters"),
        ("4.4", lambda w, d: w[0, 0] if d >= 3 else None, "not the weight"),
        ("4.4", lambda w, d: w[1, 1], "dilation 1"),
        ("4.4", lambda w, d: w[1, 1] if d >= 2 else None, "dilation 2"),
        ("4.4", lambda w, d: bool(d >= 3) or None, "weight itself"),
        ("4.4", lambda w, d: w if d >= 3 else None, "one number"),
        ("4.4", lambda w, d: torch.as_tensor(w) if d >= 3 else None, "one number"),
        ("4.4", lambda w, d: w[1, 1] if d >= 3 else 0, "None itself"),
        ("4.4", lambda w, d: w[1, 1] if d >= 3 else "None", "None itself"),
        ("4.4", lambda w, d: w.missing, "numpy.ndarray"),
        ("4.5", study(usual, changed) | dict(usual=[0.7, 0.8, 0.9]), "not their ARI"),
        ("4.5", study(usual, changed, error=lambda g: g.std() / 3**0.5), "ddof=1"),
        ("4.5", study(near, nearer, error=lambda g: g.std() / 3**0.5), "ddof=1"),
        ("4.5", study(usual, changed, error=lambda g: g.std(ddof=1)), "standard deviation"),
        ("4.5", study(usual, changed, mean=lambda g: -g.mean()), "sign"),
        ("4.5", study(usual, changed, mean=0.5), "mean does not fit"),
        ("4.5", study(near, nearer, mean=lambda g: round(g.mean(), 2)), "rounded too far"),
        ("4.5", study(usual[:2], changed[:2]), "three at least"),
        ("4.5", study(usual, changed) | dict(types=types[:9]), "types"),
        ("4.5", study(usual, changed) | dict(change="  "), "as text"),
    ]
    return right, wrong


def lesson5():
    import torch

    def log_form(u, c, f):
        d2 = ((np.asarray(u)[:, None] - np.asarray(c)) ** 2).sum(-1)
        w = -np.log(np.maximum(d2, 1e-300)) / (f - 1)
        w = np.exp(w - w.max(1, keepdims=True))
        return w / w.sum(1, keepdims=True)

    def tensors(u, c, f):
        return torch.softmax(-2 * torch.cdist(u, c).clamp_min(1e-20).log() / (f - 1), 1)

    def power(e, f_of=lambda f: f):
        def g(u, c, f):
            d = np.linalg.norm(np.asarray(u)[:, None] - np.asarray(c), axis=-1)
            w = d ** (e / (f_of(f) - 1))
            return w / w.sum(1, keepdims=True)

        return g

    def bands(seed, gap=4.0, sizes=(200, 150), wide=3.0):
        rng = np.random.default_rng(seed)
        truth = np.repeat([0, 1], sizes)
        z = rng.normal(size=(len(truth), 2)) * [wide, 0.4] + np.array([[0, 0], [0, gap]])[truth]
        return z, truth

    cells = np.array([1.0, 2, 6, 7, 12])

    def end_of(c):
        for _ in range(10):
            k = np.abs(cells[:, None] - c).argmin(1)
            c = np.array([cells[k == i].mean() for i in (0, 1)])
        return ((cells - c[k]) ** 2).sum()

    a, b = end_of(np.array([1.0, 12])), end_of(np.array([1.0, 2]))
    right = [("5.1", f((a, b))) for f in (tuple, list, np.array, torch.tensor, pd.Series)]
    right += [
        ("5.2", 134),
        ("5.2", 134.0),
        ("5.2", np.array([134])),
        ("5.3", log_form),
        ("5.3", tensors),
        ("5.3", lambda u, c, f: log_form(u, c, f).tolist()),
        ("5.3", lambda u, c, f: pd.DataFrame(log_form(u, c, f)).to_numpy()),
        ("5.4", lambda K, f: K ** (1 - f)),
        ("5.4", lambda K, f: K * (1 / K) ** f),
        ("5.4", lambda K, f: np.array([np.exp((1 - f) * np.log(K))])),
        ("5.4", lambda K, f: sum((1 / K) ** f for _ in range(K))),
        ("5.5", bands),
        ("5.5", lambda s: [bands(s)[0].tolist(), ["x" if t else "y" for t in bands(s)[1]]]),
    ]
    wrong = [
        ("5.1", (b, a), "other order"),
        ("5.1", (a / 5, b / 5), "mean over"),
        ("5.1", (11, 25 / 3), "squares"),
        ("5.1", (a, 50.75), "not at rest"),
        ("5.1", a, "two numbers"),
        ("5.1", (a, b, 0), "two numbers"),
        ("5.1", f"({a}, {b})", "two numbers"),
        ("5.2", 133, "which one is smaller"),
        ("5.2", 133.34, "whole number"),
        ("5.2", 178, "halves"),
        ("5.2", 200, "squared"),
        ("5.2", 267, "joined pair"),
        ("5.3", power(2), "nearest"),
        ("5.3", power(-1), "distance"),
        ("5.3", power(-4), "distance"),
        ("5.3", power(-2), "overflow|not a number"),
        ("5.3", lambda u, c, f: log_form(u, c, f).T, "side"),
        ("5.3", lambda u, c, f: log_form(u, c, 1.5), "argument"),
        ("5.3", lambda u, c, f: 5 * log_form(u, c, f), "add up"),
        ("5.3", lambda u, c, f: np.eye(len(c))[log_form(u, c, f).argmax(1)], "by hand"),
        ("5.4", lambda K, f: 1, "powers do not"),
        ("5.4", lambda K, f: 1 / K, "membership itself"),
        ("5.4", lambda K, f: K**-f, "one term"),
        ("5.4", lambda K, f: K ** (f - 1), "above 1"),
        ("5.4", lambda K, f: 2 * 0.5**f, "two clusters|Which memberships"),
        ("5.5", lambda s: bands(0), "Two seeds"),
        ("5.5", lambda s: bands(s, wide=0.4), "k-means does not fall"),
        ("5.5", lambda s: bands(s, gap=0.8), "so does the vote"),
        ("5.5", lambda s: bands(s, sizes=(200, 10)), "at least 20"),
        ("5.5", lambda s: bands(s)[0], "two things"),
    ]
    return right, wrong


def lesson6():
    import torch

    from scsmd_nb.nn.cellnet import dead_clusters, membership_loss, pair_counts

    pairs = lambda p, d: ((p @ p.T >= d).sum(), (p @ p.T <= 1 - d).sum())
    gone = lambda labels, K: sorted(set(range(K)) - {int(k) for k in labels})
    where = lambda c, n: np.minimum((c * n).astype(int), n - 1)

    def ece(bins=where, equal=False, keep=lambda c: c > -1):
        def error(c, r, n):
            c, r = c[keep(c)], r[keep(c)]
            b = bins(c, n).astype(int)
            each = [((b == k).mean(), abs((c - r)[b == k].mean())) for k in np.unique(b)]
            return np.mean([g for _, g in each]) if equal else sum(w * g for w, g in each)

        return error

    def frame(c, r, n):
        groups = pd.cut(c, [*(np.arange(n) / n), 2], right=False)
        return pd.Series(c - r).groupby(groups, observed=True).sum().abs().sum() / len(c)

    soft = lambda a: a.softmax(1)
    log = lambda x: (x + 1e-9).log()

    def jensen_shannon(a, p):
        m = log((p + soft(a)) / 2)
        return ((p * (log(p) - m)).sum(1) + (soft(a) * (log(soft(a)) - m)).sum(1)).mean() / 2

    right = [
        ("6.1", pairs),
        ("6.1", pair_counts),
        ("6.1", lambda p, d: list(pairs(p, d))),
        ("6.1", lambda p, d: np.array(pairs(p, d))),
        ("6.1", lambda p, d: (torch.mm(p, p.T).ge(d).sum(), torch.mm(p, p.T).le(1 - d).sum())),
        (
            "6.1",
            lambda p, d: tuple(
                (np.sign(s * (p @ p.T - t)) >= 0).sum() for s, t in ((1, d), (-1, 1 - d))
            ),
        ),
        ("6.2", "b"),
        ("6.2", "(b)"),
        ("6.2", "b)"),
        ("6.2", "B."),
        ("6.3", gone),
        ("6.3", dead_clusters),
        ("6.3", lambda v, K: (torch.bincount(v, minlength=K) == 0).nonzero().flatten()),
        ("6.3", lambda v, K: np.setdiff1d(np.arange(K), v)),
        ("6.3", lambda v, K: np.flatnonzero(np.bincount(v, minlength=K) == 0)),
        ("6.3", lambda v, K: tuple(gone(v, K))),
        ("6.4", ece()),
        ("6.4", frame),
        ("6.4", lambda c, r, n: torch.tensor(ece()(c, r, n))),
        ("6.4", ece(lambda c, n: np.digitize(c, np.linspace(0, 1, n + 1)[1:-1]))),
        ("6.5", lambda a, p: (soft(a) * (log(soft(a)) - log(p))).sum(1).mean()),
        ("6.5", lambda a, p: 10 * jensen_shannon(a, p)),
    ]
    wrong = [
        ("6.1", lambda p, d: ((p @ p.T > d).sum(), (p @ p.T < 1 - d).sum()), "exactly at"),
        ("6.1", lambda p, d: ((p @ p.T >= d).sum(), (p @ p.T < 1 - d).sum()), "exactly at"),
        ("6.1", lambda p, d: ((p @ p.T >= d).sum(), (p @ p.T < d).sum()), "at or below"),
        (
            "6.1",
            lambda p, d: (np.triu(p @ p.T >= d).sum(), np.triu(p @ p.T <= 1 - d).sum()),
            "Ordered",
        ),
        ("6.1", lambda p, d: pairs(p, d)[0], "two numbers"),
        ("6.1", lambda p, d: ((p @ p.T >= d).mean(), (p @ p.T <= 1 - d).mean()), "shares"),
        ("6.2", "(a)", "1/K"),
        ("6.2", "c", "different outputs"),
        ("6.2", "bd", "letters"),
        ("6.3", lambda v, K: set(gone(v, K)), "no order"),
        ("6.3", lambda v, K: gone(v, K)[::-1], "sorted"),
        ("6.3", lambda v, K: gone(v, max(v)), "above the largest"),
        ("6.3", lambda v, K: [k not in v for k in range(K)], "numbers"),
        ("6.3", lambda v, K: len(gone(v, K)), "how many"),
        ("6.3", lambda v, K: np.where(np.bincount(v, minlength=K) == 0), "first entry"),
        ("6.3", lambda v, K: [k + 0.5 for k in gone(v, K)], "do not occur"),
        ("6.4", ece(lambda c, n: (np.ceil(c * n) - 1).clip(0)), "upper bin"),
        ("6.4", ece(lambda c, n: c * n), "of its own"),
        (
            "6.4",
            ece(lambda c, n: np.digitize(c, np.linspace(c.min(), c.max(), n + 1)[1:-1])),
            "from 0 to 1",
        ),
        ("6.4", ece(lambda c, n: pd.qcut(c, n, labels=False, duplicates="drop")), "bins"),
        ("6.4", ece(keep=lambda c: c < 1), "left out"),
        ("6.4", ece(equal=True), "same weight"),
        ("6.4", lambda c, r, n: abs((c - r).mean()), "all cells at once"),
        ("6.4", lambda c, r, n: abs(c - r).mean(), "single cell"),
        ("6.4", lambda c, r, n: len(c) * ece()(c, r, n), "number of cells"),
        ("6.4", lambda c, r, n: float("nan"), "without cells"),
        ("6.4", lambda c, r, n: "0.1", "one number"),
        ("6.5", membership_loss, "other words"),
        ("6.5", lambda a, p: membership_loss(a[: len(a) // 2], p[: len(a) // 2]), "other words"),
        ("6.5", lambda a, p: -(p**2 * a.log_softmax(1)).sum(1).mean(), "other words"),
        ("6.5", lambda a, p: membership_loss(a, p) + 0.01 * a.square().sum(), "other words"),
        ("6.5", lambda a, p: torch.nn.functional.cross_entropy(a, p.argmax(1)), "other words"),
        ("6.5", lambda a, p: -(p**0.25 * a.log_softmax(1)).sum(1).mean(), "other words"),
        ("6.5", lambda a, p: ((a.log_softmax(1) - log(p)) ** 2).mean(), "Too hard a push"),
        ("6.5", jensen_shannon, "fades"),
        ("6.5", lambda a, p: a.detach().sum(), "No gradient"),
        ("6.5", lambda a, p: ((soft(a) - p) ** 2).sum(1).mean().item(), "one number, as a tensor"),
    ]
    return right, wrong


def lesson7():
    from itertools import permutations

    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics import adjusted_rand_score

    from scsmd_nb.course.core import blood_cells
    from scsmd_nb.tl.metrics import accuracy_of_table

    types = blood_cells().obs["bulk_labels"].astype(str)
    rare = types.value_counts().index[::-1]
    hidden = types.replace(dict(zip(rare[:4], rare[7:3:-1])))

    def best(t):
        t = t if t.shape[0] <= t.shape[1] else t.T
        columns = permutations(range(t.shape[1]), t.shape[0])
        return max(t[range(len(t)), list(c)].sum() for c in columns) / t.sum()

    def matched(t):
        i, j = linear_sum_assignment(-t)
        return t[i, j].sum() / t.sum()

    def paired(a, b, of=lambda d: d.std(ddof=1) / len(d) ** 0.5):
        return (a - b).mean(), of(a - b)

    truth, found = np.repeat([0, 1], [5, 3]), np.array([0, 0, 0, 0, 1, 0, 1, 1])
    ari = adjusted_rand_score(truth, found)
    depth = blood_cells().obs["full_n_counts"].to_numpy()
    cuts = lambda n: np.searchsorted(np.quantile(depth, np.arange(1, n) / n), depth)

    def by_depth(seed, n=5):
        return np.where(np.random.default_rng(seed).random(700) < 0.005, 0, cuts(n)).astype(str)

    few, weak = lambda t: t["genes"] < 20, lambda t: t["jaccard"] < 0.6
    doubt = lambda t: weak(t) | few(t)
    by = lambda rule: lambda t: t["nearest"][rule(t)].to_dict()
    doubtful = by(doubt)
    as_int = lambda name: int(name) if name.isdigit() else name

    right = [
        ("7.1", matched),
        ("7.1", best),
        ("7.1", accuracy_of_table),
        ("7.1", lambda t: [matched(t)]),
        ("7.2", ari),
        ("7.2", round(ari, 2)),
        ("7.2", [ari]),
        ("7.2", Fraction(float(ari))),
        ("7.3", hidden),
        ("7.3", hidden.to_numpy()),
        ("7.3", hidden.tolist()),
        ("7.3", hidden.astype("category")),
        ("7.3", pd.factorize(hidden)[0]),
        ("7.4", paired),
        ("7.4", lambda a, b: list(paired(a, b))),
        ("7.4", lambda a, b: np.array(paired(a, b))),
        ("7.4", lambda a, b: (np.mean(a) - np.mean(b), pd.Series(a - b).sem())),
        ("7.5", [by_depth(s) for s in range(3)]),
        ("7.5", np.array([by_depth(s) for s in range(4)])),
        ("7.6", doubtful),
        ("7.6", lambda t: t["nearest"][doubt(t)]),
        ("7.6", lambda t: t.loc[doubt(t), ["nearest"]]),
        ("7.6", lambda t: list(doubtful(t).items())),
        ("7.6", lambda t: np.array(list(doubtful(t).items()), object)),
        ("7.6", lambda t: set(doubtful(t).items())),
        (
            "7.6",
            lambda t: {k: t["nearest"][k] for k in t.index if t["genes"][k] < 20 or weak(t)[k]},
        ),
        ("7.6", lambda t: t.query("jaccard < 0.6 or genes < 20")["nearest"].to_dict()),
        ("7.6", lambda t: zip(t.index[doubt(t)], t["nearest"][doubt(t)])),
        ("7.6", lambda t: dict(reversed(list(doubtful(t).items())))),
        ("7.6", lambda t: {as_int(a): as_int(b) for a, b in doubtful(t).items()}),
        ("7.6", lambda t: {a: f" {b}" for a, b in doubtful(t).items()}),
    ]
    wrong = [
        ("7.1", lambda t: t.max(0).sum() / t.sum(), "purity"),
        ("7.1", lambda t: t.max(1).sum() / t.sum(), "Each type"),
        ("7.1", lambda t: np.trace(t) / t.sum(), "diagonal|best matching"),
        ("7.1", lambda t: matched(t) * t.sum(), "share"),
        ("7.1", lambda t: linear_sum_assignment(t), "one number"),
        ("7.2", 0.57, "Rand index|Count in this order"),
        ("7.2", 0.75, "accuracy"),
        ("7.2", 7 / 13, "by chance"),
        ("7.2", "0.14", "one number"),
        ("7.2", 1.5, "never above"),
        ("7.3", types, "lost"),
        ("7.3", types.replace({t: rare[-1] for t in rare[:4]}), "lost|costs"),
        ("7.3", hidden[:699], "shape"),
        ("7.3", dict(hidden), "700 labels"),
        ("7.3", np.zeros(700, int), "costs"),
        ("7.4", lambda a, b: paired(b, a), "sign"),
        ("7.4", lambda a, b: paired(a, b, lambda d: d.std() / len(d) ** 0.5), "ddof"),
        ("7.4", lambda a, b: paired(a, b, np.std), "spread"),
        ("7.4", lambda a, b: paired(a, b, lambda d: d.var(ddof=1) / len(d)), "square"),
        ("7.4", lambda a, b: (a - b).mean(), "two numbers"),
        (
            "7.4",
            lambda a, b: paired(a, b, lambda d: ((a.var(ddof=1) + b.var(ddof=1)) / len(d)) ** 0.5),
            "different data sets",
        ),
        ("7.5", [by_depth(0)] * 3, "same to the last cell"),
        ("7.5", [by_depth(s) for s in range(2)], "three"),
        ("7.5", [by_depth(s, 3) for s in range(3)], "Five clusters"),
        ("7.5", [types.where(np.arange(700) != s, "x") for s in range(3)], "types"),
        ("7.5", [np.random.default_rng(s).integers(0, 5, 700) for s in range(3)], "stability"),
        ("7.5", by_depth(0), "one labeling"),
        ("7.6", by(weak), "jaccard only"),
        ("7.6", by(few), "genes only"),
        ("7.6", by(lambda t: weak(t) & few(t)), "both at once"),
        ("7.6", by(lambda t: ~(t["jaccard"] >= 0.6) | few(t)), "NaN"),
        ("7.6", by(lambda t: (t["jaccard"].fillna(0) < 0.6) | few(t)), "NaN"),
        ("7.6", by(lambda t: (t["jaccard"] <= 0.6) | few(t)), "0.6 itself"),
        ("7.6", by(lambda t: weak(t) | (t["genes"] <= 20)), "20 are not fewer"),
        ("7.6", by(lambda t: t["confidence"] < 0.6), "another column"),
        ("7.6", by(lambda t: ~doubt(t)), "clusters to trust"),
        ("7.6", by(lambda t: t["jaccard"] < 0.75), "not to be doubted"),
        ("7.6", lambda t: t["genes"][doubt(t)].to_dict(), "column nearest"),
        ("7.6", lambda t: dict(enumerate(t["nearest"][doubt(t)])), "missing|numbers of rows"),
        ("7.6", lambda t: {b: a for a, b in doubtful(t).items()}, "turned round"),
        ("7.6", lambda t: list(doubtful(t)), "are missing"),
        ("7.6", lambda t: t[doubt(t)], "columns"),
        ("7.6", lambda t: {"0": "1"}, "missing"),
        ("7.6", {"0": "1"}, "should be a function"),
    ]
    return right, wrong


def lesson8():
    import anndata as ad

    import scsmd_nb as smd
    from scsmd_nb.course.core import blood_cells
    from scsmd_nb.tl.metrics import stability

    cells = blood_cells().copy()
    cells.uns["source"] = "10x Genomics, 68k PBMCs, donor A"
    logged = ad.AnnData(np.log1p(cells.X.toarray()), cells.obs[[]], cells.var[[]], dict(cells.uns))
    no_source = ad.AnnData(cells.X, cells.obs[[]], cells.var[[]])
    twice = cells.copy()
    twice.obs_names = ["x"] * cells.n_obs
    qc = dict(
        before=700,
        after=690,
        thresholds=dict(min_genes=200),
        reason="10 cells have under 200 genes",
    )
    rng = np.random.default_rng(0)
    base = rng.integers(0, 4, 700)
    run = lambda s: np.where(np.random.default_rng(s).random(700) < 0.1, 0, base)
    runs = pd.DataFrame({str(s): run(s) for s in range(3)})
    value = stability([runs[c].to_numpy() for c in runs])
    kinds = cells.obs["bulk_labels"].astype(str)
    cells.obs["k"] = np.where(kinds.str.contains("Monocyte"), "0", "1")
    names = pd.DataFrame(
        dict(name=["monocytes", "unknown"], genes=["FCN1, LST1", ""]), index=["0", "1"]
    )
    named = dict(cells=cells, key="k", names=names)
    lists = names.assign(genes=[["FCN1", "LST1"], []])
    text = (
        "Question: which types?\nData: 700 cells\nQuality: at least 200 genes\nK: 7\nClusters: seeds 0, 1\n"
        "Stability: 0.9\nNames: monocytes\nLeiden: 0.8\nAnswer: monocytes\nLimits: one donor"
    )
    at = np.random.default_rng(1).permutation(600)
    sample = np.repeat(["first", "second"], [330, 270])[at]
    plain = np.repeat(["0", "1"], [330, 270])[at]
    joined = np.repeat(["0", "1", "2", "0", "1"], [100, 170, 60, 100, 170])[at]
    mixed = np.resize(["0", "1"], 600)[np.argsort(np.argsort(sample, kind="stable"))]
    both = pd.DataFrame(dict(sample=sample, plain=plain, joined=joined, mixed=mixed, one="one"))
    found = [smd.tl.mixing_table(both[k], sample) for k in ("plain", "joined", "mixed")]
    means = [float(np.average(t["mixing"], weights=t["cells"])) for t in found]
    all_mixed, means = [means[0], means[2]], means[:2]
    unweighted = [t["mixing"].mean() for t in found[:2]]
    fits = {"cells": ad.AnnData(obs=both.set_axis(both.index.astype(str))), "samples": "sample"}
    fits |= {"without": "plain", "with": "joined", "mixing": means, "own": ["2"], "removed": "c"}
    right = [
        ("8.1", cells),
        ("8.2", qc),
        ("8.2", qc | dict(before=np.int64(700), after=[690], note="more")),
        ("8.2", qc | dict(after=700, reason="0 of 700 cells are below 200")),
        ("8.2", qc | dict(thresholds=dict(min_genes=200, max_mito=None))),
        ("8.3", dict(runs=runs, stability=value)),
        ("8.3", dict(runs=runs.astype("category"), stability=round(value, 2))),
        ("8.3", dict(runs=runs, stability=np.array([value]))),
        ("8.4", named),
        ("8.4", named | dict(names=lists)),
        ("8.4", named | dict(names=names.set_axis([0, 1]))),
        ("8.4", named | dict(names=names.iloc[::-1])),
        ("8.5", text),
        ("8.5", "\n".join(f"## {line.replace(': ', chr(10))}" for line in text.splitlines())),
        ("8.5", "\n\n".join(f"**{line.replace(':', '.**')}" for line in text.splitlines())),
        ("8.5", "\n".join(f"{i}. {line}" for i, line in enumerate(text.splitlines(), 1))),
        ("8.5", text.replace("Quality", "QC").replace("Answer", "Conclusion")),
        ("8.6", fits),
        ("8.6", fits | dict(cells=both)),
        ("8.6", fits | dict(own=["2"])),
        ("8.6", fits | dict(own="2")),
        ("8.6", fits | dict(own={2.0})),
        ("8.6", fits | dict(own=np.array([2]))),
        ("8.6", fits | dict(mixing=tuple(means))),
        ("8.6", fits | dict(mixing=np.round(means, 2))),
        ("8.6", fits | dict(mixing=dict(zip(["without", "with"], means)))),
        ("8.6", fits | dict(mixing=[np.array([m]) for m in means])),
        ("8.6", fits | dict(removed="(C)")),
        ("8.6", fits | dict(removed="c) within types", note="more")),
        ("8.6", fits | dict(cells=both.assign(joined=joined.astype(int)))),
        ("8.6", fits | dict(cells=both.astype("category"))),
        ("8.6", fits | {"with": "mixed", "own": [], "mixing": all_mixed}),
    ]
    wrong = [
        ("8.1", logged, "raw counts"),
        ("8.1", no_source, "source"),
        ("8.1", twice, "twice"),
        ("8.1", cells[:50], "too few"),
        ("8.1", cells.T, "side"),
        ("8.1", cells.X, "AnnData"),
        ("8.2", qc | dict(after=710), "more cells after"),
        ("8.2", qc | dict(after=100), "whole cell type"),
        ("8.2", qc | dict(after=690.5), "whole"),
        ("8.2", qc | dict(thresholds=dict(max_mito=10)), "share"),
        ("8.2", qc | dict(thresholds=dict(mito=0.1)), "Not a threshold"),
        (
            "8.2",
            qc | dict(reason="as everybody does it in this field, with good success"),
            "no number",
        ),
        ("8.2", qc | dict(reason=200), "text"),
        ("8.3", dict(runs=runs, stability=0.2), "differently"),
        ("8.3", dict(runs=runs, stability=90), "never above"),
        ("8.3", dict(runs=runs.T, stability=value), "rows"),
        ("8.3", dict(runs=runs[["0", "1"]], stability=value), "too few"),
        ("8.3", dict(runs=pd.DataFrame({s: base for s in "abc"}), stability=1), "seed"),
        ("8.4", named | dict(names=names.assign(genes=["FCN1", ""])), "two genes"),
        ("8.4", named | dict(names=names.assign(genes=["FCN1, CD3D", ""])), "not higher"),
        ("8.4", named | dict(names=names.assign(genes=["FCN1, XYZ", ""])), "not among"),
        ("8.4", named | dict(names=names.assign(name=["cluster 0", "unknown"])), "not a name"),
        ("8.4", named | dict(names=names.assign(name="unknown")), "Every cluster"),
        ("8.4", named | dict(key="leiden"), "no column"),
        ("8.4", named | dict(names=names[:1]), "No row"),
        ("8.5", text.replace("one donor", "___"), "gaps"),
        ("8.5", text.replace("Limits: one donor", ""), "Limits"),
        ("8.5", text.replace("one donor", ""), "Nothing stands"),
        ("8.5", text.replace("0.9", "high"), "Stability"),
        (
            "8.5",
            "Question data quality K seeds stability names Leiden answer limits " * 20
            + "1 2 3 4 5 6 7 8",
            "not found",
        ),
        ("8.6", fits | {"without": "joined", "with": "plain"}, "swapped"),
        ("8.6", fits | {"with": "plain"}, "one column"),
        ("8.6", fits | {"with": "leiden"}, "no column"),
        ("8.6", fits | dict(samples="mixed"), "hardly"),
        ("8.6", fits | dict(samples="one"), "one sample"),
        ("8.6", fits | dict(mixing=means[::-1]), "turned round"),
        ("8.6", fits | dict(mixing=unweighted), "weigh"),
        ("8.6", fits | dict(mixing=[0.0, 0.2]), "not the weighted"),
        ("8.6", fits | dict(mixing=means[1]), "two numbers"),
        ("8.6", fits | dict(own=[]), "belongs_to"),
        ("8.6", fits | dict(own=["first"]), "these are samples"),
        ("8.6", fits | dict(own=["0", "1"]), "without batch_key"),
        ("8.6", fits | dict(removed="a"), "no cluster could"),
        ("8.6", fits | dict(removed="b"), "only one sample"),
        ("8.6", fits | dict(removed="d"), "still apart"),
        ("8.6", fits | dict(removed="everything"), "one of the letters"),
        ("8.6", {k: v for k, v in fits.items() if k != "own"}, "Missing"),
        ("8.6", joined, "dictionary"),
    ]
    return right, wrong


LESSONS = (lesson1, lesson2, lesson3, lesson4, lesson5, lesson6, lesson7, lesson8)
