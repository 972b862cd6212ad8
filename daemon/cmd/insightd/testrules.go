package main

import (
	"fmt"
	"os"
	"regexp"

	"github.com/insightd/insightd/daemon"
	"github.com/insightd/insightd/rules"
	"github.com/insightd/insightd/rules/ruletest"
)

// tally counts what became of cases.
type tally struct{ passed, failed, broken int }

// splitTests tells tests of rules from scenarios: the files of both end in .test.
func splitTests(names []string) (tests, scripts []string, err error) {
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, nil, fmt.Errorf("reading a test: %w", err)
		}
		if ruletest.Is(text) {
			tests = append(tests, name)
		} else {
			scripts = append(scripts, name)
		}
	}
	return tests, scripts, nil
}

// readRuleTests reads tests of rules with the packages beside them.
func readRuleTests(names []string) (files []*ruletest.File, bad []error) {
	if len(names) == 0 {
		return nil, nil
	}
	shipped := shippedRules()
	for _, name := range names {
		f, err := ruletest.Load(name, rules.Options{Beside: shipped})
		if err != nil {
			bad = append(bad, err)
			continue
		}
		files = append(files, f)
	}
	return files, bad
}

// runRuleTests runs tests of rules and prints a line for each case.
func runRuleTests(t *terminal, files []*ruletest.File, match *regexp.Regexp) (tally, error) {
	var n tally
	if len(files) == 0 {
		return n, nil
	}
	decode, err := daemon.RuleDecoder()
	if err != nil {
		return n, err
	}
	for _, f := range files {
		for _, r := range f.Run(decode) {
			name := r.Rule + ": " + r.Case
			if match != nil && !match.MatchString(r.File+": "+name) {
				continue
			}
			word := "PASS"
			switch {
			case r.Err != nil:
				word = "ERROR"
				n.broken++
			case r.Passed():
				n.passed++
			default:
				word = "FAIL"
				n.failed++
			}
			fmt.Fprintf(t.out, "%s %s: %s (%.2fs, %d events)\n", word, r.File, name, r.Elapsed.Seconds(), r.Events)
			if r.Err != nil {
				fmt.Fprintf(t.out, "  %v\n", r.Err)
			}
			if r.Failure != "" {
				fmt.Fprintf(t.out, "  %s\n", r.Failure)
			}
		}
	}
	return n, nil
}
