//go:build race

package scenario_test

// underRace says that the race detector is on, which makes everything several
// times slower.
const underRace = true
