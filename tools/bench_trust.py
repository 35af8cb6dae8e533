"""`make bench-trust`, a measurement and no tool: confidence against ten whole fits, other seeds, 80 % of the cells.

Fits what is missing in bench/trust/ (`--out DIR`) on twelve sets of at most 1,000 cells, at most 12 epochs a phase, and
writes nbs/results/trust.json. Labels only score the end. The sets of one study are left out together.
"""

import argparse
import json
import os
import time
import warnings
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
ROOT = Path(__file__).resolve().parent.parent
STUDIES = {
    "baron_mouse1": "Baron",
    "bm_stroma": "Matsushita",
    "breast_lines31": "Gambardella",
    "cellmix_3lines_2protocols": "Tian",
    "cellmix_5lines": "Tian",
    "goolam_embryo": "Goolam",
    "hypothalamus_neurons": "Romanov",
    "ipsc_timecourse": "iPSC time course",
    "lung_immune": "Zilionis",
    "rnamix_2protocols": "Tian",
    "zebrafish_blood": "Tang",
    "zeisel_balanced550": "Zeisel",
}
FITS, EPOCHS = 10, 12


def fits(name, path):
    "One fit of all cells and ten of 80 % with other seeds, kept in a file."
    import numpy as np

    import scsmd_nb as smd

    a = smd.io.load(name)
    types = a.obs["cell_type"].astype(str).to_numpy(dtype=str)
    K, others, clock = len(set(types)), [], time.process_time()
    how = dict(max_epochs=EPOCHS, accelerator="cpu")
    model = smd.SCSMD(K, random_state=0, **how).fit(a)
    cpu = time.process_time() - clock
    for seed in range(1000, 1000 + FITS):
        rng, found = np.random.default_rng(seed), np.full(a.n_obs, -1)
        at = np.sort(rng.choice(a.n_obs, int(0.8 * a.n_obs), replace=False))
        found[at] = smd.SCSMD(K, random_state=seed, **how).fit(a[at].copy()).labels_
        others.append(found)
    kept = dict(types=types, labels=model.labels_, z=model.embedding_, q=model.probabilities_)
    np.savez_compressed(path, refits=np.array(others), cpu=cpu, K=K, **kept)


def measured(path):
    "Truth, repeats and types of one set."
    import numpy as np

    from scsmd_nb.tl.trust import matched, mean_jaccard, repeats

    d = np.load(path, allow_pickle=True)
    labels = np.unique(d["labels"], return_inverse=True)[1]
    types = np.unique(d["types"].astype(str), return_inverse=True)[1]
    clock = time.process_time()
    others = repeats(d["z"], labels.max() + 1)
    return dict(
        truth=np.array([matched(labels, r) for r in d["refits"]]),
        share=np.nanmean([matched(labels, o) for o in others], 0),
        right=matched(labels, types) == 1,
        cellnet=d["q"].max(1),
        jaccard=mean_jaccard(labels, d["refits"]),
        jaccard_repeats=mean_jaccard(labels, others),
        cpu=time.process_time() - clock,
        cpu_fit=float(d["cpu"]),
        K=int(d["K"]),
        found=int(labels.max() + 1),
    )


def probability(w, share):
    "Log odds of the share, stretched and shifted."
    import numpy as np

    s = np.clip(share, 0.02, 0.98)
    return 1 / (1 + np.exp(-(w[0] + w[1] * np.log(s / (1 - s)))))


def calibrated(sets):
    "Shift and stretch that fit best, each set with the same weight."
    import numpy as np
    from scipy.optimize import minimize

    pairs = [(s["share"], np.nanmean(s["truth"], 0)) for s in sets]

    def loss(w):
        total = 1e-4 * ((w - [0, 1]) ** 2).sum()
        for share, y in pairs:
            p = np.clip(probability(w, share), 1e-6, 1 - 1e-6)
            total -= np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)) / len(pairs)
        return total

    return minimize(loss, [0.0, 1.0]).x


def bins_of(p, truth):
    "Ten bins: cells, mean confidence, share of whole fits; and the expected calibration error."
    import numpy as np

    y, weight = np.nanmean(truth, 0), (~np.isnan(truth)).sum(0)
    which, rows, error = np.minimum((p * 10).astype(int), 9), [], 0.0
    for k in np.unique(which):
        here = which == k
        a, b = (np.average(v[here], weights=weight[here]) for v in (p, y))
        error += abs(a - b) * weight[here].sum() / weight.sum()
        row = dict(bin=f"{k / 10:.1f} to {(k + 1) / 10:.1f}", cells=int(here.sum()))
        rows.append(row | dict(confidence=round(a, 3), truth=round(b, 3)))
    return rows, float(error)


def scores(found):
    "Everything that nbs/results/trust.json holds."
    import numpy as np
    from sklearn.metrics import roc_auc_score

    w, P, rows = calibrated(list(found.values())), {}, []
    for n, s in found.items():
        rest = [t for m, t in found.items() if STUDIES[m] != STUDIES[n]]
        P[n], y = probability(calibrated(rest), s["share"]), np.nanmean(s["truth"], 0)
        auc = [round(float(roc_auc_score(s["right"], v)), 3) for v in (P[n], s["cellnet"], y)]
        row = dict(set=n, study=STUDIES[n], cells=len(y), K=s["K"], found=s["found"])
        means = dict(truth=y, confidence=P[n], cellnet=s["cellnet"])
        row |= {k: round(float(v.mean()), 3) for k, v in means.items()}
        row |= dict(ece=round(bins_of(P[n], s["truth"])[1], 3))
        row |= dict(ece_cellnet=round(bins_of(s["cellnet"], s["truth"])[1], 3))
        row |= dict(zip(("auc", "auc_cellnet", "auc_truth"), auc))
        rows.append(row | dict(cpu=round(s["cpu"], 2), cpu_fit=round(s["cpu_fit"], 1)))
    every = lambda get: np.concatenate([get(n) for n in found])
    truth = np.concatenate([s["truth"] for s in found.values()], 1)
    bins, error = bins_of(every(P.get), truth)
    plain = bins_of(every(lambda n: probability(w, found[n]["share"])), truth)[1]
    whole, near = (every(lambda n, k=k: found[n][k]) for k in ("jaccard", "jaccard_repeats"))
    weak, named = whole < 0.6, near < 0.6
    jaccard = dict(
        raw_error=float(np.abs(whole - near).mean()),
        bias_raw=float((near - whole).mean()),
        corr=float(np.corrcoef(whole, near)[0, 1]),
        clusters=len(whole),
        weak=int(weak.sum()),
        weak_raw=int(named.sum()),
        weak_raw_found=int((weak & named).sum()),
    )
    means = {k: float(np.mean([r[k] for r in rows])) for k in ("auc", "auc_cellnet", "auc_truth")}
    cellnet = bins_of(every(lambda n: found[n]["cellnet"]), truth)[1]
    out = dict(sets=rows, calibration=w.round(2).tolist(), ece=error, ece_plain=plain)
    out |= dict(ece_cellnet=cellnet, ece_mean=float(np.mean([r["ece"] for r in rows])))
    return out | means | dict(jaccard=jaccard, bins=bins)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--out", default=str(ROOT / "bench/trust"), help="folder for the fits")
    p.add_argument("--save", default=str(ROOT / "nbs/results/trust.json"))
    args = p.parse_args()
    warnings.simplefilter("ignore")
    folder = Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    for name in STUDIES:
        if not (folder / f"{name}.npz").exists():
            fits(name, folder / f"{name}.npz")
    out = scores({n: measured(folder / f"{n}.npz") for n in STUDIES})
    Path(args.save).write_text(json.dumps(out, indent=1) + "\n")
    print(json.dumps({k: v for k, v in out.items() if k not in ("sets", "bins")}))


if __name__ == "__main__":
    main()
