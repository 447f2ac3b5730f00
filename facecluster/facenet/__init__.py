"""FaceNet (Schroff, Kalenichenko, Philbin, CVPR 2015): networks, triplet loss, mining, training,
evaluation.

Letters as in the paper: P identities by K images make a batch of B faces; D is the embedding's
dimension, T a count of triplets. Distances are squared L2 on the unit sphere, from 0 (same) to 4
(opposite). This package uses nothing of the rest of facecluster but `errors`.
"""
