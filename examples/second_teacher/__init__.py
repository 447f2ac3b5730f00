"""A second teacher for the bundled networks: one that can be asked about faces nobody has.

The training faces come with one teacher's embeddings, for them alone. MobileFaceNet as others
trained it (`facecluster models download mobilefacenet`) can be asked about any picture: so it also
says who a face is that was made up of two or three.
"""
