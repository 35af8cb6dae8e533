"""What `tools/bench_samples.py --parts parts` runs: fits with `batch_key`, one part taken away or exchanged.

Each function takes cells (obs["sample"]), a seed and K, and returns latent vectors and clusters. Nothing here is used
by the library: parts are exchanged by `unittest.mock` while a fit runs. Run as a program it writes
nbs/results/counterparts.csv: which types are said to have a counterpart in other samples (SCSMD_DATA_DIR).
"""

from contextlib import ExitStack, suppress
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from sklearn.neighbors import NearestNeighbors

import scsmd_nb as smd
from scsmd_nb.nn.soft_clustering import memberships
from scsmd_nb.pp import batches
from scsmd_nb.tl import model, samples, training


def fitted(adata, seed, k, *patches, params=None, **given):
    "Latent vectors and clusters of a fit while these patches hold."
    fit = smd.SCSMD(k, random_state=seed, accelerator="cpu", params=params)
    with ExitStack() as stack:
        for p in patches:
            stack.enter_context(p)
        fit.fit(adata, **given)
    return fit.embedding_, fit.labels_


def names(adata):
    return dict(batch=adata.obs["sample"].astype(str).to_numpy())


def shift_with(change):
    "A patch: the shift as it is found, changed by a function of it, the input and the samples."
    find = batches.find_shift

    def found(x, codes, random_state=0):
        shift, matched, cloudy = find(x, codes, random_state)
        change(shift, x, codes)
        return shift, matched, cloudy

    return patch.object(samples, "find_shift", found)


def none(shift, x, codes):
    shift.offsets.zero_()
    shift.shifts.zero_()


def only_common(shift, x, codes):
    shift.shifts.zero_()


def means(shift, x, codes):
    of = [x[codes == s].mean(0) for s in range(codes.max() + 1)]
    shift.offsets.copy_(torch.as_tensor(np.array(of) - x.mean(0)))
    shift.shifts.zero_()


def genes(adata, seed, k):
    "Genes that vary within samples, nothing else."
    codes = adata.obs["sample"].astype("category").cat.codes.to_numpy().astype(int)
    mask = batches.genes_within(adata.X.tocsr(), codes) if adata.n_vars > 2000 else None
    return fitted(adata, seed, k, genes=mask)


def decoder(adata, seed, k):
    "No shift; the decoder sees the sample. The network alone, without principal components beside it."
    return fitted(adata, seed, k, shift_with(none), params=dict(n_linear=0), **names(adata))


def apart(u, sample, weights):
    "Share of the variance of latent vectors that lies between the samples, within clusters of these weights [b, K]."
    total, between = 0.0, 0.0
    for w in weights.T:
        mean = (w[:, None] * u).sum(0) / w.sum().clamp_min(1e-6)
        total = total + (w[:, None] * (u - mean).square()).sum()
        for s in sample.unique():
            ws = w * (sample == s)
            of = (ws[:, None] * u).sum(0) / ws.sum().clamp_min(1e-6)
            between = between + ws.sum() * (of - mean).square().sum()
    return between / total.clamp_min(1e-6)


def penalty(adata, seed, k):
    "The same, and the loss grows by as much as it is if all that the latent vectors tell is the sample."
    plain = training.cell_losses

    def losses(run, batch, noise):
        u, r, nb = plain(run, batch, noise)
        weights = torch.ones(len(u), 1)
        if run.phase == "soft":
            weights = memberships(u.detach(), run.centroids, run.params.fuzzifier)
        return u, r, nb + nb.detach().mean() * apart(u, batch.sample, weights)

    changed = patch.object(training, "cell_losses", losses)
    return fitted(
        adata, seed, k, shift_with(none), changed, params=dict(n_linear=0), **names(adata)
    )


def centred(adata, seed, k):
    "In place of the shift: the mean of each sample is taken off."
    return fitted(adata, seed, k, shift_with(means), **names(adata))


def one_shift(adata, seed, k):
    "The shift of a whole sample, from mutual neighbours; none of single kinds of cells."
    return fitted(adata, seed, k, shift_with(only_common), **names(adata))


def all_cells(adata, seed, k):
    "Every cell is said to have a counterpart, so that clusters of all cells are centred (Harmony)."
    every = patch.object(batches, "has_counterpart", lambda z, codes: np.ones(len(z), bool))
    return fitted(adata, seed, k, every, **names(adata))


def paired(z, codes):
    "In place of round trips: pairs about as close as neighbours of one sample, 70 % of the 15 nearest in one."
    i, j, _ = batches.mutual_pairs(z, codes)
    u, own = batches._unit(z), batches.own_distances(z, codes)
    close = np.linalg.norm(u[i] - u[j], axis=1) <= 1.15 * np.maximum(own[i], own[j])
    has, out = np.zeros(len(z)), np.zeros(len(z), bool)
    has[i[close]] = 1
    for s in range(codes.max() + 1):
        mine = np.flatnonzero(codes == s)
        near = NearestNeighbors(n_neighbors=min(15, len(mine))).fit(z[mine])
        out[mine] = has[mine][near.kneighbors(z[mine])[1]].mean(1) >= 0.7
    return out


def distances(adata, seed, k):
    "Counterparts by the distances of pairs."
    return fitted(adata, seed, k, patch.object(batches, "has_counterpart", paired), **names(adata))


def counterparts(adata):
    "Each type in each sample: cells here and elsewhere, and the share said to have a counterpart, in two ways."
    seen = {}
    plain = batches.has_counterpart

    def both(z, codes):
        seen.update(
            before=paired(z, codes), now=plain(z, codes), trips=batches.round_trips(z, codes)
        )
        return seen["now"]

    add, prepare = samples.add_samples, model.prepare

    def stop(cells, names, codes, seed):
        seen["some"] = batches.drawn_cells(codes, seed)
        add(cells, names, codes, seed)
        raise StopIteration

    def prepared(*args):
        seen["ready"] = prepare(*args)
        return seen["ready"]

    with (
        patch.object(batches, "has_counterpart", both),
        patch.object(model, "add_samples", stop),
        patch.object(model, "prepare", prepared),
        suppress(StopIteration),
    ):
        smd.SCSMD(2, accelerator="cpu", progress=False).fit(adata, **names(adata))
    of = lambda column: seen["ready"].of(adata.obs[column].astype(str).to_numpy())[seen["some"]]
    table = pd.DataFrame(dict(type=of("cell_type"), sample=of("sample")))
    table["before"], table["now"] = seen["before"], seen["now"]
    table["out"], table["home"] = seen["trips"]
    groups = table.groupby(["type", "sample"])
    rows = groups[["out", "home"]].median().join(groups[["before", "now"]].mean())
    rows["cells"] = groups.size()
    rows["elsewhere"] = rows.groupby(level=0)["cells"].transform("sum") - rows["cells"]
    return rows.reset_index()


def main():
    import bench_samples as bench

    cases = [(name, "") for name in bench.ALL]
    cases += [
        (n, t) for n in bench.REMOVED for t in sorted(set(bench.cells(n)[0].obs["cell_type"]))
    ]
    tables = []
    for name, removed in cases:
        found = counterparts(bench.cells(name, removed)[0])
        tables.append(found.assign(dataset=name, removed=removed))
        print(name, removed, len(found), flush=True)
    out = bench.ROOT / "nbs/results/counterparts.csv"
    pd.concat(tables).round(3).to_csv(out, index=False)


if __name__ == "__main__":
    main()
