"""Who runs wan-render at night: flows, their deployments and the farm. The only package that imports prefect."""
