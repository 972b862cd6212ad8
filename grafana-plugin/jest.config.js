// Times in tests are UTC wherever they run.
process.env.TZ = 'UTC';

const base = require('./.config/jest.config');

module.exports = {
  ...base,
  // Machines that run this beside other work are slow.
  testTimeout: 60_000,
  moduleNameMapper: {
    ...base.moduleNameMapper,
    // d3-color ships only ES modules under its main name.
    '^d3-color$': '<rootDir>/node_modules/d3-color/dist/d3-color.js',
  },
};
