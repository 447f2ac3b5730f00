"""Teachers for the bundled networks that can be asked about faces nobody has.

The training faces come with one teacher's embeddings, for them alone. MobileFaceNet as others
trained it (`facecluster models download mobilefacenet`) and nn4 as it is can be asked about any
picture: so they also say who a face is that was made up of two or three.
"""
