"""Several devices render one take. Each half of them makes one of the two predictions of a guided step
(`layout.Layout`), and the devices of a half share its tokens (`ulysses`, `sharding`). They meet in a folder (`meeting`)
and communicate through torch.distributed (`joined`)."""
