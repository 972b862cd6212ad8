package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/enrich/geo"
	"github.com/insightd/insightd/daemon/event"
)

func TestClassOf(t *testing.T) {
	f := func(name string, want event.Network) {
		t.Helper()
		require.Equal(t, want.String(), classOf(1, name).String(), name)
	}
	f("Amazon.com, Inc.", event.NetworkCloud)
	f("Amazon Data Services Ireland Ltd", event.NetworkCloud)
	f("AMAZONIA TELECOMUNICACOES LTDA", event.NetworkUnknown)
	f("Google LLC", event.NetworkCloud)
	f("Google, LLC", event.NetworkCloud)
	f("Google Fiber Inc.", event.NetworkUnknown)
	f("Microsoft Corporation", event.NetworkCloud)
	f("Hangzhou Alibaba Advertising Co.,Ltd.", event.NetworkCloud)
	f("Alibaba (US) Technology Co., Ltd.", event.NetworkCloud)
	f("IBM Cloud", event.NetworkCloud)
	f("IBM", event.NetworkUnknown)
	f("Oracle Corporation", event.NetworkCloud)
	f("Yandex.Cloud LLC", event.NetworkCloud)
	f("YANDEX LLC", event.NetworkUnknown)
	f("OVH SAS", event.NetworkHosting)
	f("Hetzner Online GmbH", event.NetworkHosting)
	f("DigitalOcean, LLC", event.NetworkHosting)
	f("Akamai Technologies, Inc.", event.NetworkHosting)
	f("The Constant Company, LLC", event.NetworkHosting)
	f("LEASEWEB SINGAPORE PTE. LTD.", event.NetworkHosting)
	f("M247 Europe SRL", event.NetworkHosting)
	f("Datacamp Limited", event.NetworkHosting)
	f("Datacampus SAS", event.NetworkUnknown)
	f("A2 Hosting, Inc.", event.NetworkHosting)
	f("Las Vegas NV Datacenter", event.NetworkHosting)
	f("PacketHub S.A.", event.NetworkVPN)
	f("Mullvad VPN AB", event.NetworkVPN)
	f("31173 Services AB", event.NetworkVPN)
	f("Proton AG", event.NetworkVPN)
	f("Proton66 OOO", event.NetworkUnknown)
	f("VPN de Mexico, S.A. de C.V.", event.NetworkUnknown)
	f("Emerald Onion", event.NetworkTor)
	f("F3 Netze e.V.", event.NetworkTor)
	f("TC TOR LLC", event.NetworkUnknown)
	f("Deutsche Telekom AG", event.NetworkUnknown)
	f("Comcast Cable Communications, LLC", event.NetworkUnknown)
	f("IONOS SE", event.NetworkHosting)
	f("ZSCALER, INC.", event.NetworkUnknown)
	f("", event.NetworkUnknown)
	require.Equal(t, event.NetworkCloud, classOf(55960, "Beijing Guanghuan"))
}

func TestMerge(t *testing.T) {
	var r ranges[string]
	require.NoError(t, r.add(10, 19, "DE"))
	require.NoError(t, r.add(20, 29, "DE"))
	require.NoError(t, r.add(30, 30, "FR"))
	require.NoError(t, r.add(40, 49, "FR"))
	require.Error(t, r.add(45, 60, "FR"), "ranges that overlap")
	require.Error(t, r.add(70, 60, "FR"), "a range that ends before it starts")
	got := r.close(99)
	require.Equal(t, []string{"0 ", "10 DE", "30 FR", "31 ", "40 FR", "50 "}, show(got))

	r = ranges[string]{}
	require.NoError(t, r.add(0, 99, "DE"))
	require.Equal(t, []string{"0 DE"}, show(r.close(99)))
	require.Equal(t, []string{"0 "}, show((&ranges[string]{}).close(99)))
}

func show(rs []geo.Range[string]) []string {
	var s []string
	for _, r := range rs {
		s = append(s, fmt.Sprint(r.Start, " ", r.Value))
	}
	return s
}
