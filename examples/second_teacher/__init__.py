"""A second teacher for the bundled networks: one that can be asked about faces nobody has.

The training faces come with one teacher's embeddings, for them alone. dlib's face recognition
network, which its author gave to the public domain, is small enough to be asked about any picture:
so it also says who a blend of two faces would be.
"""
