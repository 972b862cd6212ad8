package main

import (
	"strings"
	"unicode"

	"github.com/insightd/insightd/daemon/event"
)

// rule gives a class to autonomous systems by the name of the organisation
// behind them. The first rule that holds counts.
type rule struct {
	class event.Network
	// names are words that follow each other in the name, in small letters and
	// without punctuation. A * at the end stands for the rest of a word.
	names []string
}

// rules go from the particular to the general.
var rules = []rule{
	// Names that the rules below would take for something else.
	{event.NetworkUnknown, []string{
		"google fiber", "vps securities", "vps broadband", "vpn de mexico", "vpn infraestrutura",
		"vpnet inc", "utopia", "microsoft mobile alliance", "alibaba travel", "amazonia*", "amazonas", "global relay",
		"the cloud networks", "iron mountain", "hosting ukraine telecom",
	}},

	// People who hide where they are. Some of these also run other things.
	{event.NetworkVPN, []string{
		"packethub", "tefincom", "nordvpn", "nordsec", "cyberzone s a", "mullvad*", "31173 services", "proton ag",
		"windscribe", "ivpn*", "ovpn*", "airvpn", "azirevpn", "surfshark", "expressvpn", "cyberghost", "purevpn",
		"gz systems", "torguard", "vpnwholesaler*", "iplockvpn*", "castle vpn", "unlimited vpn", "proof vpn", "10vpn",
		"london trust media", "private internet access", "privado*", "mudhook*", "overplay", "witopia", "keepsolid",
		"perfect privacy", "hide me", "hidemyass", "anchorfree", "psiphon", "golden frog",
	}},

	// Operators whose systems are there for Tor relays, or that run mostly exits.
	{event.NetworkTor, []string{
		"emerald onion", "the calyx institute", "calyx networks", "stiftung erneuerbare freiheit",
		"foundation for applied privacy", "f3 netze", "quintex alliance*", "zwiebelfreunde", "torservers*",
		"church of cyberology", "unredacted inc", "artikel10", "artikel 10", "nos oignons", "dfri",
	}},

	// Providers of public clouds and of the networks before them.
	{event.NetworkCloud, []string{
		"amazon com", "amazon data services", "amazon technologies", "amazon web services",
		"ningxia west cloud", "beijing guanghuan xinwang", "sinnet",
		"google llc", "google cloud*", "google ireland", "google asia*", "google it*", "google switzerland",
		"microsoft*", "shanghai blue cloud",
		"hangzhou alibaba", "alibaba us technology", "alibaba cloud", "aliyun", "alicloud",
		"ibm cloud", "softlayer*",
		"oracle corporation", "oracle svenska", "oracle cloud", "oracle public cloud",
		"tencent cloud", "shenzhen tencent computer", "tencent building",
		"huawei cloud*", "huawei clouds", "huawei international",
		"yandex cloud", "salesforce*", "heroku", "sap se", "naver cloud*", "kingsoft cloud", "nhn cloud", "kakao enterprise",
		"baidu*", "beijing baidu*", "ucloud*", "volcano engine", "byteplus", "jd cloud", "jingdong*", "ctyun", "china unicom cloud",
		"cloudflare*", "fastly*", "vercel", "netlify", "fly io", "render services", "github*",
		"snowflake*", "servicenow", "atlassian",
	}},

	// Machines for rent.
	{event.NetworkHosting, []string{
		"ovh", "ovhcloud", "ovh sas", "hetzner*", "digitalocean*", "linode*", "akamai*", "the constant company", "choopa*", "vultr*",
		"contabo*", "leaseweb*", "m247*", "datacamp", "datacamp limited", "cdn77",
		"scaleway*", "online s a s", "online sas", "ionos*", "1 1 ionos", "strato ag", "strato gmbh", "host europe*", "hosteurope*",
		"godaddy*", "frantech*", "buyvm", "nforce*", "serverius*", "worldstream*", "hostinger*", "namecheap*",
		"dreamhost*", "new dream network", "bluehost*", "unified layer", "rackspace*", "upcloud*", "hostwinds*",
		"colocrossing", "hivelocity*", "quadranet*", "psychz*", "zenlayer*", "g core*", "gcore*", "selectel",
		"timeweb*", "beget*", "aruba s p a", "aruba business", "kamatera*", "interserver*", "sharktech*", "nocix*",
		"joe s datacenter", "voxility*", "stark industries*", "aeza*", "alexhost*", "flokinet*", "clouvider*", "tzulo*",
		"performive*", "reliablesite*", "servers com", "secured servers", "phoenixnap*", "cherry servers", "netcup*",
		"1337 services", "hostroyale*", "hostkey*", "combahton*", "first colo*", "firstcolo*", "iomart*", "ukfast*", "memset*",
		"exoscale", "akenes*", "infomaniak*", "gandi*", "ikoula*", "transip*", "tilaa*", "cloudvps*", "liteserver*",
		"hostus*", "racknerd*", "cloudsigma*", "internap*", "inap*", "limestone networks", "steadfast*", "webair*",
		"dedipath*", "cologix*", "equinix*", "digital realty*", "packet host", "latitude sh", "maxihost*", "vdsina*",
		"ruvds*", "firstvds*", "jsc ispsystem", "mivocloud*", "alphavps", "ip volume", "ipvolume", "pq hosting*", "gthost*",
		"globaltelehost*", "des capital*", "xtom*", "misaka network", "kaopu*", "bgpnet*", "sakura internet", "gmo internet*",
		"conoha", "vietnix*", "biznet gio*", "exabytes*", "ip serverone", "webhost*", "dogado*", "loopia*", "one com",
		"unitedlayer*", "liquid web*", "liquidweb*", "inmotion*", "a2 hosting", "siteground*", "wpengine*", "squarespace*",
		"wix com", "automattic*", "anexia*", "dataforest*", "aurologic*", "meerfarbig*", "keyweb*", "myloc*", "plusserver*",
		"hosteam*", "home pl", "nazwa*", "cyberfolks*", "active 24*", "wedos*", "forpsi*", "websupport*", "superhosting*",
		"tencent*",
		// What such firms call themselves.
		"hosting", "webhosting", "hosting*", "vps", "vds", "dedicated server", "dedicated servers", "server hosting",
		"cloud server", "cloud servers", "cloud computing", "cloud hosting", "cloud services", "virtual server*",
		"virtual private server*", "data center", "data centers", "data centre", "data centres", "datacenter*", "datacentre*",
		"colocation", "colo", "zcolo", "servers", "host llc", "host ltd", "host limited", "host inc", "host gmbh", "host b v",
		"host srl",
	}},
}

// numbers are systems whose names do not tell.
var numbers = map[uint32]event.Network{
	55960: event.NetworkCloud,   // AWS in Beijing, run by Sinnet.
	36183: event.NetworkHosting, // Akamai; also the way out of iCloud Private Relay.
	53667: event.NetworkHosting, // FranTech, BuyVM.
}

// classOf returns the class of a system.
func classOf(system uint32, name string) event.Network {
	if c, ok := numbers[system]; ok {
		return c
	}
	name = normal(name)
	for _, r := range rules {
		for _, n := range r.names {
			if named(name, n) {
				return r.class
			}
		}
	}
	return event.NetworkUnknown
}

// normal puts a name in small letters, its words between single spaces, with a
// space at either end.
func normal(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return " " + strings.Join(words, " ") + " "
}

func named(name, words string) bool {
	if head, ok := strings.CutSuffix(words, "*"); ok {
		return strings.Contains(name, " "+head)
	}
	return strings.Contains(name, " "+words+" ")
}
