"""The steps from a plan to a film. Nothing is imported here: a device process loads only what renders a take.

run                what a run found before it began
order              what is to be rendered, and in which order
render_order       one take to render, as a device process is given it
render_take        rendering it; join, pictures and warm_renderer serve it
failures           which takes failed, and what their slates say
finish             the next version of the film; film_cut, tags, review_gathering and former_version serve it
deliver            what else is made of it; provenance: where each file comes from
film_change        whether it would be another version, and why
film_warnings      what would otherwise be noticed in the finished film; black: clips that are black
unable_devices     which devices cannot render which profiles
"""
