// Package endurance holds the tests that try to break the line as a whole: it
// has no code of its own. They start the daemon as a process, deliver
// generated traffic to it, kill it, and compare what is left with the truth.
//
// The processes are real, and so are their deaths (SIGKILL). Their clock is
// not: models need days of history, and a test has seconds. The test binary
// starts itself again as the daemon (see main_test.go), with daemon.Options.Now
// reading a clock that the test holds in a shared file. So the product knows
// nothing of tests, and the test decides when it is later.
//
//	TestKill                the daemon is killed at random moments while files
//	                        grow and clients push; nothing is lost, nothing is
//	                        counted twice, and the final records are those of
//	                        an undisturbed run and of a replay
//	TestKillWithLateEvents  the same with events beyond the lateness: log and
//	                        series stay exact
//	TestShuffle             the order, the doubles and the way of delivery
//	                        change nothing
//	TestBackfillWhileLive   history that is added to a running stream gives
//	                        what a replay of everything gives, over a restart
//	                        in its middle
//	TestCatchUp             hours of files after a stop, beside live hours before
//	                        and after it: nothing of either is lost
//	TestCorruption          a byte of any file of the storage is flipped; the
//	                        daemon starts, says what it lost, and serves
//	                        nothing that is not true
//	TestEndurance           the built binary under a steady load with questions
//	                        asked all the time: memory, goroutines, open files
//	                        and latencies stay flat
//	TestDiskFull            a full disk: pushes get 503, a folder waits and
//	                        says so, questions are answered, and all goes on
//	                        when there is room
//
// A plain `go test` runs them small, in a few minutes together, and smaller
// still under the race detector. `make endurance` runs them at full size, with
// KILLS=200, FLIPS=1000, CUTS=200 and MINUTES=60 unless it is told otherwise,
// and with them the tests of the log, the insights and the series that cut the
// power and flip bytes, and those of the daemon that send hostile input. In the environment these are
// INSIGHTD_ENDURANCE=1, INSIGHTD_KILLS, INSIGHTD_FLIPS, INSIGHTD_CUTS and
// INSIGHTD_MINUTES; a number that is set holds without INSIGHTD_ENDURANCE too.
// INSIGHTD_SEED repeats a run: every failure names its seed.
package endurance
