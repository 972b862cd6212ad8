package enrich

import "strings"

// A product is a word in a user agent that names the program, and the family
// that it stands for.
type product struct{ word, family string }

// products are looked for anywhere in a user agent, in this order: programs
// before the libraries that they are made with.
var products = []product{
	{"console.amazonaws.com", "console.amazonaws.com"},
	{"signin.amazonaws.com", signIn},
	{"S3Console", "S3Console"},
	{"AWS-CloudShell", "CloudShell"},
	{"exec-env/CloudShell", "CloudShell"},
	{"Terraform", "Terraform"},
	{"terraform", "Terraform"},
	{"OpenTofu", "OpenTofu"},
	{"Pulumi", "Pulumi"},
	{"pulumi", "Pulumi"},
	{"HashiCorp-Packer", "Packer"},
	{"packer", "Packer"},
	{"Ansible", "Ansible"},
	{"ansible", "Ansible"},
	{"aws-cdk", "aws-cdk"},
	{"eksctl", "eksctl"},
	{"stratus-red-team", "stratus-red-team"},
	{"AWSPowerShell", "AWSPowerShell"},
	{"AWS Tools for PowerShell", "AWSPowerShell"},
	{"WindowsPowerShell", "PowerShell"},
	{"PowerShell/", "PowerShell"},
	{"AzurePowershell", "AzurePowerShell"},
	{"AZURECLI/", "AzureCLI"},
	{"aws-cli/", "aws-cli"},
	{"Boto3/", "Boto3"},
	{"Botocore/", "Botocore"},
}

// browsers are looked for in user agents that start with Mozilla, in this
// order: those that also name another one first.
var browsers = []product{
	{"Edg/", "Edge"},
	{"EdgA/", "Edge"},
	{"EdgiOS/", "Edge"},
	{"Edge/", "Edge"},
	{"OPR/", "Opera"},
	{"Opera", "Opera"},
	{"SamsungBrowser/", "Samsung Internet"},
	{"HeadlessChrome/", "HeadlessChrome"},
	{"Firefox/", "Firefox"},
	{"FxiOS/", "Firefox"},
	{"Electron/", "Electron"},
	{"Chrome/", "Chrome"},
	{"CriOS/", "Chrome"},
	{"Chromium/", "Chrome"},
	{"Safari/", "Safari"},
	{"AppleWebKit/", "WebKit"},
	{"Trident/", "Internet Explorer"},
	{"MSIE ", "Internet Explorer"},
}

// maxFamily is the longest name of a family, in bytes.
const maxFamily = 64

// Family returns a user agent without versions and platform: "aws-cli" for
// "aws-cli/2.15.0 Python/3.11 …". Programs that are made with a library are
// named rather than the library, and browsers by their name. Anything else is
// its own first word.
func Family(userAgent string) string {
	s := strings.TrimSpace(userAgent)
	// CloudTrail puts the user agents of data events into brackets.
	if inner, ok := strings.CutPrefix(s, "["); ok {
		s = strings.TrimSpace(strings.TrimSuffix(inner, "]"))
	}
	switch {
	case s == "":
		return ""
	case s == "AWS Internal" || strings.HasPrefix(s, "AWS Internal/"):
		return "AWS Internal"
	case isHostName(s):
		// A service that made the call: "autoscaling.amazonaws.com".
		return clean(s)
	}
	for _, p := range products {
		if strings.Contains(s, p.word) {
			return p.family
		}
	}
	if strings.HasPrefix(s, "Mozilla/") || strings.HasPrefix(s, "Opera/") {
		for _, b := range browsers {
			if strings.Contains(s, b.word) {
				return b.family
			}
		}
	}
	return clean(firstProduct(s))
}

// firstProduct is the first word without its version: what stands before the
// first slash, white space, bracket, comma or semicolon.
func firstProduct(s string) string {
	if i := strings.IndexAny(s, "/ \t\r\n(,;"); i > 0 {
		s = s[:i]
	}
	// "aws-sdk-go-v2" has a name that ends in a number; "tool-1.2.3" a version.
	if i := strings.LastIndexAny(s, "-_"); i > 0 && i+1 < len(s) && isVersion(s[i+1:]) {
		s = s[:i]
	}
	return s
}

// isVersion reports whether a text is a version such as 1.2.3 or v1.2.
func isVersion(s string) bool {
	s = strings.TrimPrefix(s, "v")
	dots := 0
	for i := range len(s) {
		switch {
		case s[i] == '.':
			dots++
		case s[i] < '0' || s[i] > '9':
			return false
		}
	}
	return dots > 0 && len(s) > dots
}

// isHostName reports whether a user agent is the name of a service of AWS.
func isHostName(s string) bool { return isAWS(s) && !strings.ContainsAny(s, " /") }

// clean makes a copy that is fit for a screen: short, and without characters
// that cannot be shown.
func clean(s string) string {
	if len(s) > maxFamily {
		s = s[:maxFamily]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return -1
		}
		return r
	}, strings.Clone(s))
}
