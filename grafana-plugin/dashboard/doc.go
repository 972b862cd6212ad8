// Package dashboard makes the dashboards that the datasource brings along. They
// are written here once, and encoded twice: for the import from the
// datasource's page, which asks for the datasource, and for provisioning, which
// names its uid. A test keeps the files equal to what is written here.
package dashboard
