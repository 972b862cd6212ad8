package event

import "strings"

// Glob reports whether a text fits a pattern, in which * stands for any run of
// characters, ? for any one, and everything else for itself: there are no folders
// in identities and resources that * would stop at.
func Glob(pattern, text string) bool {
	// star is where the last * stands, and from what its run may be lengthened to.
	star, from := -1, 0
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, t
			p++
		case p < len(pattern) && (pattern[p] == text[t] || pattern[p] == '?'):
			p++
			if pattern[p-1] != '?' {
				t++
				continue
			}
			for t++; t < len(text) && text[t]&0xC0 == 0x80; t++ { // The rest of a character.
			}
		case star >= 0:
			from++
			p, t = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// Anything reports whether a pattern asks for nothing: it is empty, or of * alone.
func Anything(pattern string) bool { return strings.Trim(pattern, "*") == "" }
