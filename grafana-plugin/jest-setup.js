// Jest setup provided by Grafana scaffolding
import './.config/jest-setup';

// jsdom lays nothing out, so it has no observers; menus of @grafana/ui ask for them.
class Observer {
  observe() {}
  unobserve() {}
  disconnect() {}
  takeRecords() {
    return [];
  }
}
Object.assign(global, { IntersectionObserver: Observer, ResizeObserver: Observer });
