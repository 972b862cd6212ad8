import { defineConfig } from 'eslint/config';
import baseConfig from './.config/eslint.config.mjs';

export default defineConfig([
  {
    ignores: [
      '**/logs',
      '**/*.log',
      '**/npm-debug.log*',
      '**/yarn-debug.log*',
      '**/yarn-error.log*',
      '**/.pnpm-debug.log*',
      '**/node_modules/',
      '.yarn/cache',
      '.yarn/unplugged',
      '.yarn/build-state.yml',
      '.yarn/install-state.gz',
      '**/.pnp.*',
      '**/pids',
      '**/*.pid',
      '**/*.seed',
      '**/*.pid.lock',
      '**/lib-cov',
      '**/coverage',
      '**/dist/',
      '**/artifacts/',
      '**/work/',
      '**/ci/',
      'test-results/',
      'playwright-report/',
      'blob-report/',
      'playwright/.cache/',
      'playwright/.auth/',
      '**/.idea',
      '**/.eslintcache',
      'harness/build/',
    ],
  },
  ...baseConfig,
  {
    // Grafana 10.4 has Select and MultiSelect only; what takes their place came later.
    files: ['src/components/selects.tsx'],
    rules: { '@typescript-eslint/no-deprecated': 'off' },
  },
  {
    // What Grafana 10.4 calls is tested, whatever later ones think of it.
    files: ['src/**/*.test.ts'],
    rules: { '@typescript-eslint/no-deprecated': 'off' },
  },
]);
