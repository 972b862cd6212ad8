package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// leastToken is how many characters a token has at least: it is all that stands
// between the world and the events, and nobody has to remember it.
const leastToken = 16

// maxTokenFile bounds what is read of a token's file, in bytes.
const maxTokenFile = 64 << 10

// tokenName is what logs and metrics can hold without quoting.
var tokenName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,64}$`)

// checkTokens looks at what the keys of a token say together, and at the tokens
// beside each other. Secrets do not stand in errors.
func (p *parser) checkTokens(tokens []Token) {
	named, same := map[string]string{}, map[[sha256.Size]byte]string{}
	for i := range tokens {
		t, key := &tokens[i], fmt.Sprintf("web.tokens[%d]", i)
		if !tokenName.MatchString(t.Name) {
			p.report(key+".name", quote(t.Name), "letters, digits and . _ -, at most 64", "choose another name")
		}
		if other, ok := named[t.Name]; ok {
			p.report(key+".name", fmt.Sprintf("a second token named %q, the first is at %v", t.Name, p.at[other]),
				"a name of its own for each token", "give one of them another name")
		}
		named[t.Name] = key + ".name"
		if len(t.Scopes) == 0 {
			p.report(key, "no scopes", "one or more of ingest, read and admin", `add the key "scopes", such as scopes: [read]`)
		}
		for j, scope := range t.Scopes {
			if slices.Index(t.Scopes, scope) < j {
				p.report(fmt.Sprintf("%s.scopes[%d]", key, j), quote(scope)+" a second time", "each scope once", "remove one of the two")
			}
		}
		p.checkSecret(key, t, same)
	}
}

// checkSecret looks at the one key that says what the token is. same holds the
// tokens so far.
func (p *parser) checkSecret(key string, t *Token, same map[[sha256.Size]byte]string) {
	given := 0
	for _, v := range []string{t.TokenFile, string(t.Token), string(t.TokenSHA256)} {
		if v != "" {
			given++
		}
	}
	if given != 1 {
		p.report(key, fmt.Sprintf("%d of token_file, token and token_sha256", given), "exactly one of them",
			"name the file that holds the token in token_file")
		return
	}
	if t.TokenFile != "" {
		return // It is read when it is needed.
	}
	sum, err := t.Hash()
	at := key + ".token"
	if t.TokenSHA256 != "" {
		at = key + ".token_sha256"
	}
	if err != nil {
		p.report(at, err.Error(), "", "make a token with: openssl rand -hex 32")
		return
	}
	if other, ok := same[sum]; ok {
		p.report(at, fmt.Sprintf("the same token as at %v", p.at[other]), "a token of its own for each client", "make another one with: openssl rand -hex 32")
	}
	same[sum] = at
}

// Hash is the SHA-256 of the token, which is read from its file where it is in
// one. Its error does not show the token.
func (t *Token) Hash() ([sha256.Size]byte, error) {
	var sum [sha256.Size]byte
	token := string(t.Token)
	switch {
	case t.TokenSHA256 != "":
		b, err := hex.DecodeString(string(t.TokenSHA256))
		if err != nil || len(b) != len(sum) {
			return sum, fmt.Errorf("something else than the %d hexadecimal digits of a SHA-256", 2*len(sum))
		}
		copy(sum[:], b)
		return sum, nil
	case t.TokenFile != "":
		info, err := os.Stat(t.TokenFile)
		if err == nil && (!info.Mode().IsRegular() || info.Size() > maxTokenFile) {
			err = errors.New("it is no small file")
		}
		var b []byte
		if err == nil {
			b, err = os.ReadFile(t.TokenFile)
		}
		if err != nil {
			return sum, fmt.Errorf("reading the token %q from %s: %w; correct web.tokens, or see to it that this process may read the file", t.Name, t.TokenFile, err)
		}
		token = strings.TrimSpace(string(b))
	}
	switch {
	case len(token) < leastToken:
		err := fmt.Errorf("a token of %d characters, where at least %d are asked for", len(token), leastToken)
		if t.TokenFile != "" {
			err = fmt.Errorf("the token %q: %s holds %w; make one with: openssl rand -hex 32", t.Name, t.TokenFile, err)
		}
		return sum, err
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		err := errors.New("a token with characters that no header can hold, such as white space")
		if t.TokenFile != "" {
			err = fmt.Errorf("the token %q: %s holds %w; put one token into it", t.Name, t.TokenFile, err)
		}
		return sum, err
	}
	return sha256.Sum256([]byte(token)), nil
}
