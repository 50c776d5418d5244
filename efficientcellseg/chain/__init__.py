"""The paper's chain in order: pseudocolor, tiling, inference, labeling."""
