"""Several devices render one take: the two predictions of a guided step on two halves of them (`layout.Layout`), the
tokens of a prediction on the devices of a half (`ulysses`, `sharding`). They meet in a folder (`meeting`) and speak
through torch.distributed (`joined`)."""
