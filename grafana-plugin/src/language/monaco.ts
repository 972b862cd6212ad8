import type { Monaco, MonacoEditor } from '@grafana/ui';
import { Completion, CompletionSource, Language, complete } from './completion';

/** The part of Monaco's types that is named here; @grafana/ui does not hand on more of them. */
interface Disposable {
  dispose(): void;
}

export const languageId = (language: Language) => `insightd-${language}`;

/** Where the completions of each open editor come from, by the address of its text. */
const sources = new Map<string, () => CompletionSource>();

/** registerLanguages tells Monaco of both languages, once a page. */
export function registerLanguages(monaco: Monaco): void {
  const known = new Set(monaco.languages.getLanguages().map((l) => l.id));
  for (const language of ['filter', 'promql'] as const) {
    const id = languageId(language);
    if (known.has(id)) {
      continue;
    }
    monaco.languages.register({ id });
    const pairs = [
      { open: '{', close: '}' },
      { open: '(', close: ')' },
      { open: '[', close: ']' },
      { open: '"', close: '"' },
      { open: "'", close: "'" },
    ];
    monaco.languages.setLanguageConfiguration(id, {
      autoClosingPairs: pairs,
      surroundingPairs: pairs,
      brackets: [
        ['{', '}'],
        ['(', ')'],
        ['[', ']'],
      ],
      ...(language === 'promql' ? { comments: { lineComment: '#' } } : {}),
    });
    monaco.languages.setMonarchTokensProvider(id, language === 'promql' ? promqlTokens : filterTokens);
    monaco.languages.registerCompletionItemProvider(id, {
      triggerCharacters: ['"', '=', '~', '{', ',', '(', '[', ' '],
      provideCompletionItems: async (model, position) => {
        const source = sources.get(model.uri.toString());
        if (!source) {
          return { suggestions: [] };
        }
        const text = model.getValue();
        // A question that fails leaves one to type; the query itself will say what is wrong.
        const found = await complete(language, text, model.getOffsetAt(position), source()).catch(() => []);
        const kinds: Record<Completion['kind'], number> = {
          field: monaco.languages.CompletionItemKind.Field,
          value: monaco.languages.CompletionItemKind.Value,
          operator: monaco.languages.CompletionItemKind.Operator,
          metric: monaco.languages.CompletionItemKind.Variable,
          function: monaco.languages.CompletionItemKind.Function,
          variable: monaco.languages.CompletionItemKind.Constant,
          duration: monaco.languages.CompletionItemKind.Unit,
        };
        const suggestions = found.map((c, i) => {
          const start = model.getPositionAt(c.start);
          const end = model.getPositionAt(c.end);
          return {
            label: c.label,
            insertText: c.insert,
            kind: kinds[c.kind],
            detail: c.detail,
            documentation: c.help,
            // What has been typed of a quoted value begins with its quote.
            filterText: text[c.start] === '"' || text[c.start] === "'" ? text[c.start] + c.label : c.label,
            sortText: String(i).padStart(5, '0'),
            range: {
              startLineNumber: start.lineNumber,
              startColumn: start.column,
              endLineNumber: end.lineNumber,
              endColumn: end.column,
            },
            ...(c.more ? { command: { id: 'editor.action.triggerSuggest', title: '' } } : {}),
          };
        });
        return { suggestions, incomplete: true };
      },
    });
  }
}

/** provideFor makes an editor complete from a source until the answer is disposed of. */
export function provideFor(editor: MonacoEditor, source: () => CompletionSource): Disposable {
  const address = editor.getModel()?.uri.toString();
  if (address === undefined) {
    return { dispose: () => undefined };
  }
  sources.set(address, source);
  return { dispose: () => sources.delete(address) };
}

const strings: Array<[RegExp, string]> = [
  [/"([^"\\]|\\.)*"?/, 'string'],
  [/'([^'\\]|\\.)*'?/, 'string'],
  [/`[^`]*`?/, 'string'],
];

const filterTokens = {
  tokenizer: {
    root: [
      ...strings,
      [/\$\{?\w+(:\w+)?\}?/, 'variable'],
      [/[A-Za-z_]\w*/, 'tag'],
      [/=~|!~|!=|==?|!/, 'delimiter'],
      [/[{},]/, 'delimiter'],
    ] as Array<[RegExp, string]>,
  },
};

const promqlTokens = {
  tokenizer: {
    root: [
      [/#.*$/, 'comment'],
      ...strings,
      [/\$\{?\w+(:\w+)?\}?/, 'variable'],
      [/\b(by|without|on|ignoring|group_left|group_right|and|or|unless|bool|offset)\b/, 'keyword'],
      [/[A-Za-z_]\w*(?=\s*\()/, 'type'],
      [/[A-Za-z_]\w*(?=\s*(=~|!~|!=|=))/, 'tag'],
      [/[A-Za-z_:][\w:]*/, 'identifier'],
      [/\d+(\.\d+)?(ms|[smhdwy])?/, 'number'],
      [/=~|!~|!=|==|>=|<=|[=<>+\-*/%^]/, 'delimiter'],
      [/[{}()[\],]/, 'delimiter'],
    ] as Array<[RegExp, string]>,
  },
};
