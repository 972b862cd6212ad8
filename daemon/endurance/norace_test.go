//go:build linux && !race

package endurance

// underRace says that the race detector is on, which makes everything several
// times slower.
const underRace = false
