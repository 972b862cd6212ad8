package event

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
)

// A corpus is CloudTrail as it is delivered: records of about 1.6 KB that gzip
// packs about 8 to 1.
type corpus struct {
	records [][]byte
	// wrapped is {"Records":[…]}, and lines is one record a line.
	wrapped, lines, zipped []byte
}

const corpusSize = 4000

var makeCorpus = sync.OnceValue(func() *corpus {
	c := &corpus{}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range corpusSize {
		c.records = append(c.records, corpusRecord(rng, i))
	}
	c.lines = append(bytes.Join(c.records, []byte("\n")), '\n')
	c.wrapped = append(append([]byte(`{"Records":[`), bytes.Join(c.records, []byte(","))...), "]}"...)
	c.zipped = zip(c.wrapped)
	return c
})

func zip(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

func hexOf(rng *rand.Rand, n int) string {
	const digits = "0123456789abcdef"
	b := make([]byte, n)
	for i := range b {
		b[i] = digits[rng.IntN(16)]
	}
	return string(b)
}

func uuid(rng *rand.Rand) string {
	return hexOf(rng, 8) + "-" + hexOf(rng, 4) + "-4" + hexOf(rng, 3) + "-a" + hexOf(rng, 3) + "-" + hexOf(rng, 12)
}

// corpusCalls are the operations of the corpus with their parameters and
// answers; # stands for eight hexadecimal digits.
var corpusCalls = []struct {
	service, operation     string
	readOnly               bool
	parameters, answer, ar string
}{
	{"ec2", "DescribeInstances", true, `{"instancesSet":{"items":[{"instanceId":"i-#0#"},{"instanceId":"i-#0#"},{"instanceId":"i-#0#"}]},"filterSet":{}}`, `null`, ""},
	{"sts", "AssumeRole", true, `{"roleArn":"arn:aws:iam::111122223333:role/deployment-pipeline","roleSessionName":"build-#","externalId":"####"}`, `{"credentials":{"accessKeyId":"ASIAEXAMPLE#","sessionToken":"#-#-#-#-#-#-#-#-#-#-#-#","expiration":"Mar 9, 2026, 4:00:00 AM"},"assumedRoleUser":{"assumedRoleId":"AROAEXAMPLEROLEID1:build-#","arn":"arn:aws:sts::111122223333:assumed-role/deployment-pipeline/build-#"}}`, "arn:aws:iam::111122223333:role/deployment-pipeline"},
	{"s3", "PutBucketPolicy", false, `{"bucketName":"example-artifacts-#","bucketPolicy":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::example-artifacts-#/*"}]},"policy":"","grant":"#-#-#-#-#-#-#"}`, `null`, "arn:aws:s3:::example-artifacts"},
	{"lambda", "UpdateFunctionCode20150331v2", false, `{"functionName":"order-events-consumer","s3Bucket":"example-artifacts","s3Key":"order-events/#.zip","publish":true,"dryRun":false}`, `{"functionName":"order-events-consumer","functionArn":"arn:aws:lambda:eu-central-1:111122223333:function:order-events-consumer","runtime":"provided.al2023","handler":"bootstrap","codeSize":10485760,"timeout":30,"memorySize":512,"codeSha256":"#####","revisionId":"###","version":"17"}`, ""},
	{"kms", "GenerateDataKey", true, `{"keyId":"arn:aws:kms:eu-central-1:111122223333:key/0b2c4d6e","keySpec":"AES_256","encryptionContext":{"aws:s3:arn":"arn:aws:s3:::example-artifacts/#"}}`, `null`, "arn:aws:kms:eu-central-1:111122223333:key/0b2c4d6e"},
}

func corpusRecord(rng *rand.Rand, i int) []byte {
	call := corpusCalls[rng.IntN(len(corpusCalls))]
	fill := func(s string) string {
		for strings.Contains(s, "#") {
			s = strings.Replace(s, "#", hexOf(rng, 8), 1)
		}
		return s
	}
	at := time.Date(2026, 3, 9, 3, 0, 0, 0, time.UTC).Add(time.Duration(i) * 700 * time.Millisecond)
	who := rng.IntN(40)
	session := fmt.Sprintf("i-%017x", uint64(who+1)*0x9e3779b97f4a7c15>>4)
	var b strings.Builder
	fmt.Fprintf(&b, `{"eventVersion":"1.09","userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLEROLEID%d:%s",`+
		`"arn":"arn:aws:sts::111122223333:assumed-role/order-service/%s","accountId":"111122223333","accessKeyId":"ASIAEXAMPLE%09d",`+
		`"sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAEXAMPLEROLEID%d","arn":"arn:aws:iam::111122223333:role/order-service",`+
		`"accountId":"111122223333","userName":"order-service"},"attributes":{"creationDate":"%s","mfaAuthenticated":"false"}}},`,
		who, session, session, who*7919+i/50*104729, who, at.Add(-time.Duration(who*97+i/50)*time.Second).Format(time.RFC3339))
	fmt.Fprintf(&b, `"eventTime":"%s","eventSource":"%s.amazonaws.com","eventName":"%s","awsRegion":"eu-central-1",`+
		`"sourceIPAddress":"198.51.100.%d","userAgent":"aws-sdk-go-v2/1.41.2 os/linux lang/go#1.26.1 api/%s#1.63.0 m/E,g",`,
		at.Format(time.RFC3339), call.service, call.operation, who*6+1, call.service)
	if rng.IntN(20) == 0 {
		fmt.Fprintf(&b, `"errorCode":"AccessDenied","errorMessage":"User: arn:aws:sts::111122223333:assumed-role/order-service/%s is not authorized to perform: %s:%s because no identity-based policy allows the action",`,
			session, call.service, call.operation)
	}
	fmt.Fprintf(&b, `"requestParameters":%s,"responseElements":%s,"requestID":"%s","eventID":"%s","readOnly":%t,`,
		fill(call.parameters), fill(call.answer), uuid(rng), uuid(rng), call.readOnly)
	if call.service != "ec2" {
		fmt.Fprintf(&b, `"additionalEventData":{"SignatureVersion":"SigV4","bytesTransferredIn":%d,"x-amz-id-2":"%s"},`,
			rng.IntN(1e6), hexOf(rng, 76))
	}
	if call.ar != "" {
		fmt.Fprintf(&b, `"resources":[{"accountId":"111122223333","type":"AWS::Example::Resource","ARN":"%s"}],`, call.ar)
	}
	fmt.Fprintf(&b, `"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management","vpcEndpointId":"vpce-%s",`+
		`"tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"%s.eu-central-1.amazonaws.com"}}`, hexOf(rng, 17), call.service)
	return []byte(b.String())
}
