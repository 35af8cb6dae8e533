"""Latent vectors of scVI: `python tools/peer_scvi.py cells.h5ad out.npy --batch donor`.

scVI runs with the interpreter that SCSMD_SCVI_PYTHON names, which needs scvi-tools only, or with this one. K is not an
argument: the vectors do not depend on it; cut them with k-means or Leiden.
"""

import argparse


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cells", help="an .h5ad file with raw counts")
    parser.add_argument("out", help="the .npy file to write, cells x dimensions")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", help="column of obs with the samples")
    parser.add_argument("--genes", type=int, default=2000, help="most variable genes to read")
    parser.add_argument("--dimensions", type=int, default=10)
    parser.add_argument("--budget", default="published", choices=("laptop", "published"))
    args = parser.parse_args()
    import anndata as ad
    import numpy as np

    from scsmd_nb.bench.methods.optional import scvi_latent

    cells = ad.read_h5ad(args.cells)
    batch = cells.obs[args.batch] if args.batch else None
    z = scvi_latent(cells, args.seed, args.budget, args.genes, args.dimensions, batch)
    np.save(args.out, z)
    print(f"{args.out}: {z.shape[0]} cells x {z.shape[1]} dimensions")


if __name__ == "__main__":
    main()
