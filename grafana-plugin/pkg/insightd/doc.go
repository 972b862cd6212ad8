// Package insightd is a client of the daemon's HTTP API: questions in, values
// out, and of every failure what kind it is and what to do about it.
package insightd
