/** Loaded before a front end's own code: ways to make a worker end as bugs do. */
process.on('SIGUSR2', () => process.exit(70));
