package simulate

// block is a range of public IPv4 addresses of one country: real ranges of
// well-known operators, so that a country database knows them.
type block struct {
	country string
	base    uint32
	bits    int
}

func cidr(country string, a, b, c, d byte, bits int) block {
	return block{country, uint32(a)<<24 | uint32(b)<<16 | uint32(c)<<8 | uint32(d), bits}
}

// addr returns an address of the block that ends neither in .0 nor in .255.
func (b block) addr(h uint64) uint32 {
	a := b.base | uint32(h)&(1<<(32-b.bits)-1)
	if last := a & 255; last == 0 || last == 255 {
		a ^= 0x17
	}
	return a
}

// site is a country that people work in: its homes, its mobile networks, where
// offices get their addresses, and its hours.
type site struct {
	country string
	// offset is hours to UTC. There is no summer time: a change of it twice a
	// year would teach a detector nothing that travel does not.
	offset  int
	homes   []block
	mobile  block
	offices block
	region  uint8 // The AWS region that people there use, an index of regions.
}

// The AWS regions that are used. The first is where global services report.
var regions = []string{
	"us-east-1", "eu-central-1", "eu-west-1", "us-west-2", "ap-northeast-1", "ap-south-1", "sa-east-1", "ap-southeast-2",
}

// natBlocks are addresses of AWS in each of the regions, for NAT gateways.
var natBlocks = []block{
	cidr("US", 3, 208, 0, 0, 12), cidr("DE", 18, 184, 0, 0, 15), cidr("IE", 52, 16, 0, 0, 15), cidr("US", 54, 68, 0, 0, 14),
	cidr("JP", 13, 112, 0, 0, 14), cidr("IN", 13, 232, 0, 0, 14), cidr("BR", 18, 228, 0, 0, 16), cidr("AU", 13, 236, 0, 0, 14),
}

var sites = []site{
	{"DE", 1, []block{cidr("DE", 80, 128, 0, 0, 11), cidr("DE", 87, 128, 0, 0, 10), cidr("DE", 217, 224, 0, 0, 11)}, cidr("DE", 46, 80, 0, 0, 12), cidr("DE", 62, 153, 0, 0, 16), 1},
	{"US", -5, []block{cidr("US", 73, 0, 0, 0, 8), cidr("US", 71, 160, 0, 0, 11), cidr("US", 24, 0, 0, 0, 12)}, cidr("US", 172, 56, 0, 0, 14), cidr("US", 12, 20, 0, 0, 16), 0},
	{"GB", 0, []block{cidr("GB", 86, 128, 0, 0, 10), cidr("GB", 81, 128, 0, 0, 11)}, cidr("GB", 92, 40, 0, 0, 15), cidr("GB", 62, 6, 0, 0, 16), 2},
	{"US", -8, []block{cidr("US", 67, 160, 0, 0, 11), cidr("US", 76, 96, 0, 0, 11)}, cidr("US", 174, 192, 0, 0, 10), cidr("US", 12, 130, 0, 0, 16), 3},
	{"IN", 5, []block{cidr("IN", 122, 160, 0, 0, 12), cidr("IN", 117, 192, 0, 0, 10)}, cidr("IN", 49, 32, 0, 0, 12), cidr("IN", 182, 72, 0, 0, 16), 5},
	{"JP", 9, []block{cidr("JP", 126, 0, 0, 0, 8), cidr("JP", 118, 0, 0, 0, 13)}, cidr("JP", 49, 96, 0, 0, 14), cidr("JP", 210, 160, 0, 0, 16), 4},
	{"BR", -3, []block{cidr("BR", 189, 96, 0, 0, 13), cidr("BR", 179, 96, 0, 0, 12)}, cidr("BR", 177, 24, 0, 0, 14), cidr("BR", 200, 204, 0, 0, 16), 6},
	{"AU", 10, []block{cidr("AU", 1, 120, 0, 0, 13), cidr("AU", 58, 160, 0, 0, 12)}, cidr("AU", 1, 144, 0, 0, 13), cidr("AU", 203, 36, 0, 0, 16), 7},
	{"FR", 1, []block{cidr("FR", 90, 0, 0, 0, 9), cidr("FR", 82, 224, 0, 0, 11)}, cidr("FR", 92, 184, 0, 0, 14), cidr("FR", 194, 2, 0, 0, 16), 2},
	{"PL", 1, []block{cidr("PL", 83, 0, 0, 0, 11), cidr("PL", 79, 184, 0, 0, 14)}, cidr("PL", 37, 47, 0, 0, 16), cidr("PL", 80, 48, 0, 0, 16), 1},
}

// ciBlock is the /16 of the hosted build runners.
var ciBlock = cidr("US", 20, 109, 0, 0, 16)

// hosting holds networks where servers can be rented, as attackers do.
var hosting = []block{
	cidr("FR", 51, 68, 80, 0, 20), cidr("FR", 51, 15, 0, 0, 16), cidr("FR", 163, 172, 0, 0, 16), cidr("FI", 65, 108, 0, 0, 17),
	cidr("FI", 65, 21, 0, 0, 16), cidr("DE", 88, 198, 0, 0, 16), cidr("DE", 138, 201, 0, 0, 16), cidr("US", 159, 65, 160, 0, 20),
	cidr("US", 64, 225, 0, 0, 20), cidr("GB", 178, 62, 0, 0, 17), cidr("GB", 139, 59, 160, 0, 20), cidr("US", 45, 33, 0, 0, 17),
	cidr("JP", 172, 104, 64, 0, 18), cidr("SG", 128, 199, 64, 0, 18), cidr("DE", 185, 220, 101, 0, 24), cidr("NL", 89, 39, 104, 0, 22),
	cidr("NL", 5, 79, 64, 0, 18), cidr("RU", 92, 53, 96, 0, 19), cidr("HK", 8, 210, 0, 0, 16),
}

// abroad holds access networks of countries in which nobody works.
var abroad = []block{
	cidr("VN", 113, 160, 0, 0, 11), cidr("NG", 197, 210, 0, 0, 16), cidr("RO", 86, 120, 0, 0, 13), cidr("UA", 178, 136, 0, 0, 15),
	cidr("TR", 78, 160, 0, 0, 11), cidr("ID", 36, 64, 0, 0, 12), cidr("RU", 95, 24, 0, 0, 13), cidr("CN", 116, 16, 0, 0, 12),
}

// foreign returns an address that an attacker uses against somebody of that
// country: of a hosting network as a rule, never of the victim's country.
func foreign(r *rng, country string, rented float64) uint32 {
	pool := abroad
	if r.chance(rented) {
		pool = hosting
	}
	for {
		if b := pick(r, pool); b.country != country {
			return b.addr(r.next())
		}
	}
}

func appendAddr(b []byte, a uint32) []byte {
	b = appendInt(b, int64(a>>24))
	for _, shift := range []uint{16, 8, 0} {
		b = append(b, '.')
		b = appendInt(b, int64(a>>shift&255))
	}
	return b
}

// user agents. Attackers use the same programs as everybody else.

var browsers = []string{
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Safari/605.1.15",
	"Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:147.0) Gecko/20100101 Firefox/147.0",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Safari/537.36 Edg/145.0.0.0",
}

var tools = []string{
	"aws-cli/2.33.4 md/awscrt#0.31.0 ua/2.1 os/macos#25.2.0 md/arch#arm64 lang/python#3.13.11 md/pyimpl#CPython m/b,E,Z,N cfg/retry-mode#standard md/installer#source sid/5f0a7f3bd1c2 md/prompt#off",
	"aws-cli/2.33.4 md/awscrt#0.31.0 ua/2.1 os/linux#6.8.0-94-generic md/arch#x86_64 lang/python#3.13.11 md/pyimpl#CPython m/b,E,Z,N cfg/retry-mode#standard md/installer#exe md/distrib#ubuntu.24 md/prompt#off",
	"aws-cli/2.31.22 md/awscrt#0.28.2 ua/2.1 os/windows#11 md/arch#amd64 lang/python#3.13.9 md/pyimpl#CPython m/E,b,Z,N cfg/retry-mode#standard md/installer#exe md/prompt#off",
	"Boto3/1.42.31 md/Botocore#1.42.31 ua/2.1 os/linux#6.8.0-94-generic md/arch#x86_64 lang/python#3.12.3 md/pyimpl#CPython m/b,Z,e cfg/retry-mode#legacy Botocore/1.42.31",
	"APN/1.0 HashiCorp/1.0 Terraform/1.14.3 (+https://www.terraform.io) terraform-provider-aws/6.28.0 (+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.41.1 ua/2.1 os/linux lang/go#1.25.6 md/GOOS#linux md/GOARCH#amd64 api/ec2#1.279.1 m/g,E,Z",
}

var libraries = []string{
	"Boto3/1.42.31 md/Botocore#1.42.31 ua/2.1 os/linux#5.10.247-246.983.amzn2.x86_64 md/arch#x86_64 lang/python#3.12.12 md/pyimpl#CPython exec-env/AWS_Lambda_python3.12 m/b,Z,e cfg/retry-mode#legacy Botocore/1.42.31",
	"aws-sdk-go-v2/1.41.1 ua/2.1 os/linux lang/go#1.25.6 md/GOOS#linux md/GOARCH#arm64 m/g,E,Z",
	"aws-sdk-java/2.41.10 md/io#sync md/http#Apache ua/2.1 os/Linux#6.1.159 lang/java#21.0.9 md/OpenJDK_64-Bit_Server_VM#21.0.9+10-LTS md/vendor#Amazon.com_Inc. md/en_US cfg/auth-source#imds m/D,e",
	"aws-sdk-js/3.972.0 ua/2.1 os/linux#6.1.159-182.297.amzn2023.x86_64 lang/js md/nodejs#22.21.1 api/sqs#3.972.0 exec-env/AWS_ECS_FARGATE m/E,b,e",
	"Boto3/1.42.31 md/Botocore#1.42.31 ua/2.1 os/linux#6.8.0-94-generic md/arch#x86_64 lang/python#3.12.3 md/pyimpl#CPython m/b,Z,e cfg/retry-mode#legacy Botocore/1.42.31",
	"aws-cli/2.33.4 md/awscrt#0.31.0 ua/2.1 os/linux#6.8.0-94-generic md/arch#x86_64 lang/python#3.13.11 md/pyimpl#CPython m/b,E,Z,N cfg/retry-mode#standard md/installer#exe md/distrib#ubuntu.24 md/prompt#off",
	"aws-sdk-go/1.55.8 (go1.24.11; linux; amd64) S3Manager",
	"python-requests/2.32.5",
}

// agents holds every user agent; browsers come first, then tools, then
// libraries, and the calls hold indexes of it.
var agents = append(append(append([]string{}, browsers...), tools...), libraries...)

func toolAgent(i int) uint8    { return uint8(len(browsers) + i%len(tools)) }
func libraryAgent(i int) uint8 { return uint8(len(browsers) + len(tools) + i%len(libraries)) }
