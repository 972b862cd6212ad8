package scenario

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	// Time zones are the same wherever a script runs.
	_ "time/tzdata"

	"github.com/prometheus/common/model"
)

const day = 24 * time.Hour

// looksLikeTime reports whether a word is meant for a time.
func looksLikeTime(s string) bool {
	return strings.HasPrefix(s, "+") || len(s) >= 10 && s[4] == '-' && s[0] >= '0' && s[0] <= '9'
}

// timeForm completes "expected …" in errors.
const timeForm = "a time such as +15d03:12, +36h or 2026-03-17T03:12:00Z"

// parseTime reads a time: what has passed since the start, as +DURATION or as
// days and a time of day, or a date.
func parseTime(s string, start time.Time) (time.Time, error) {
	if rest, ok := strings.CutPrefix(s, "+"); ok {
		d, err := parseOffset(rest)
		if err != nil {
			return time.Time{}, err
		}
		return start.Add(d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			if y := t.Year(); y < 2021 || y > 2080 {
				return time.Time{}, errors.New("a year before 2021 or after 2080")
			}
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New("no time")
}

// parseOffset reads 15d03:12, 03:12, 15d or any other duration.
func parseOffset(s string) (time.Duration, error) {
	if !strings.Contains(s, ":") {
		return parseDuration(s)
	}
	days, clock := "", s
	if head, tail, ok := strings.Cut(s, "d"); ok {
		days, clock = head, tail
	}
	d := time.Duration(0)
	if strings.Contains(s, "d") {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > maxDays {
			return 0, fmt.Errorf("no number of days before the time of day")
		}
		d = time.Duration(n) * day
	}
	c, err := parseClock(clock)
	return d + c, err
}

// maxDays is how long traffic may be.
const maxDays = 400

// parseDuration reads 21d, 5m or 1h30m.
func parseDuration(s string) (time.Duration, error) {
	if s == "0" {
		return 0, nil
	}
	d, err := model.ParseDuration(s)
	switch {
	case err != nil && s != "" && strings.Trim(s, "0123456789.") == "":
		return 0, errors.New("a number without a unit")
	case err != nil:
		return 0, errors.New("no duration")
	case time.Duration(d) > maxDays*day:
		return 0, fmt.Errorf("more than %d days", maxDays)
	}
	return time.Duration(d), nil
}

const durationForm = "a duration such as 90s, 5m, 1h30m or 21d"

// parseClock reads a time of day: 9, 9:30, 24:00 or 03:12:30.
func parseClock(s string) (time.Duration, error) {
	parts := strings.Split(s, ":")
	if len(parts) > 3 {
		return 0, errors.New("no time of day")
	}
	var d time.Duration
	unit := time.Hour
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 || len(p) > 2 || i == 0 && n > 24 || i > 0 && (n > 59 || len(p) != 2) {
			return 0, errors.New("no time of day")
		}
		d += time.Duration(n) * unit
		unit /= 60
	}
	if d > day {
		return 0, errors.New("a time of day after 24:00")
	}
	return d, nil
}

var weekdayWords = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// window is when a load is at work: on which days of the week, and between
// which times of day, in its zone. Where from is after to it goes over midnight
// and belongs to the day on which it begins.
type window struct {
	days     [7]bool
	from, to time.Duration
}

// has reports whether a local time lies in the window.
func (w *window) has(t time.Time) bool {
	h, m, s := t.Clock()
	at := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second
	today := w.days[t.Weekday()]
	if w.from < w.to {
		return today && at >= w.from && at < w.to
	}
	yesterday := w.days[(t.Weekday()+6)%7]
	return today && at >= w.from || yesterday && at < w.to
}

// parseHours reads 9-17 or 22:30-6.
func parseHours(s string) (from, to time.Duration, err error) {
	a, b, ok := strings.Cut(s, "-")
	if !ok {
		return 0, 0, errors.New("no hours")
	}
	if from, err = parseClock(a); err == nil {
		to, err = parseClock(b)
	}
	if err == nil && from == to {
		err = errors.New("hours of no length")
	}
	return from, to, err
}

// offset shows a time as scripts write it, with the date behind it.
func offset(t, start time.Time) string {
	d := t.Sub(start)
	if d < 0 {
		return t.UTC().Format(time.RFC3339)
	}
	clock := (d % day)
	s := fmt.Sprintf("+%dd%02d:%02d", d/day, int(clock.Hours()), int(clock.Minutes())%60)
	if sec := int(clock.Seconds()) % 60; sec != 0 {
		s += fmt.Sprintf(":%02d", sec)
	}
	return s
}
