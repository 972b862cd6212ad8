package tsdb

import (
	"context"
	"errors"
	"time"
)

const (
	// gatherSamples is how many samples of history are gathered at most before
	// they are written to blocks.
	gatherSamples = 8 << 20
	// gatherFor bounds how often an unsteady flow of history puts off writing
	// it, in multiples of Options.Gather.
	gatherFor = 10
	// settleAfter is how long a block of late samples waits for others of its
	// days before it is merged with them.
	settleAfter = time.Hour
	// verifyEvery is how often all blocks are read through.
	verifyEvery = 24 * time.Hour
	// retryAfter is how long late samples wait after they could not be written.
	retryAfter = 10 * time.Second
	// tickEvery is how often the keeper looks.
	tickEvery = time.Second
)

// keep writes gathered history and verifies blocks until the DB closes.
func (db *DB) keep() {
	defer close(db.kept)
	t := time.NewTicker(tickEvery)
	defer t.Stop()
	var verified, retry time.Time
	for {
		select {
		case <-db.ctx.Done():
			return
		case <-t.C:
		}
		if now := db.o.Now(); !now.Before(retry) && db.gathered() {
			if err := db.CommitBackfill(db.ctx, nil); err != nil && !errors.Is(err, ErrClosed) && !errors.Is(err, context.Canceled) {
				// What is not written stays and is tried again.
				db.logger.Error("writing late samples to blocks", "err", err)
				retry = now.Add(retryAfter)
			}
		}
		if now := db.o.Now(); verified.IsZero() || now.Sub(verified) >= verifyEvery {
			verified = now
			if err := db.Verify(db.ctx); err != nil && !errors.Is(err, ErrClosed) && !errors.Is(err, context.Canceled) {
				db.logger.Error("verifying blocks", "err", err)
			}
		}
	}
}

// gathered says whether what Backfill took in is to be written: no more came for
// as long as Options.Gather says, it is much, or it waits long.
func (db *DB) gathered() bool {
	if db.o.Gather <= 0 {
		return false
	}
	count, first, last := db.spool.waiting()
	if count == 0 {
		return false
	}
	now := db.o.Now()
	return count >= gatherSamples || now.Sub(last) >= db.o.Gather || now.Sub(first) >= gatherFor*db.o.Gather
}
