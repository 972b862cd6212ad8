import { css } from '@emotion/css';
import { GrafanaTheme2 } from '@grafana/data';
import { CodeEditor, ErrorBoundary, Monaco, MonacoEditor, TextArea, useStyles2 } from '@grafana/ui';
import React, { useCallback, useEffect, useRef, useState } from 'react';
import { CompletionSource, Language } from '../language/completion';
import { languageId, provideFor, registerLanguages } from '../language/monaco';

interface Props {
  id: string;
  label: string;
  language: Language;
  value: string;
  placeholder: string;
  source: CompletionSource;
  onChange: (value: string) => void;
  onRunQuery: () => void;
}

const lineHeight = 20;
const maxLines = 12;

/** The code editor needs workers; where a browser, or a test, has none, a plain field stands in. */
const hasWorkers = () => typeof Worker !== 'undefined';

/**
 * CodeField is a field for PromQL or for a filter, with completion from the daemon. The query runs on
 * Shift+Enter, Ctrl+Enter, and when the field is left after a change.
 */
export function CodeField(props: Props) {
  if (!hasWorkers()) {
    return <PlainField {...props} />;
  }
  return <ErrorBoundary>{({ error }) => (error ? <PlainField {...props} /> : <RichField {...props} />)}</ErrorBoundary>;
}

function PlainField({ id, value, placeholder, onChange, onRunQuery }: Props) {
  return (
    <TextArea
      id={id}
      rows={Math.min(maxLines, value.split('\n').length)}
      value={value}
      placeholder={placeholder}
      spellCheck={false}
      onChange={(e) => onChange(e.currentTarget.value)}
      onBlur={onRunQuery}
      onKeyDown={(e) => {
        if (e.key === 'Enter' && (e.shiftKey || e.ctrlKey || e.metaKey)) {
          e.preventDefault();
          onRunQuery();
        }
      }}
    />
  );
}

function RichField({ id, label, language, value, placeholder, source, onChange, onRunQuery }: Props) {
  const styles = useStyles2(getStyles);
  const [height, setHeight] = useState(lineHeight + 10);
  // Monaco keeps the callbacks that it was given first; these are those of now.
  const now = useRef({ source, onChange, onRunQuery, value });
  useEffect(() => {
    now.current = { source, onChange, onRunQuery, value };
  });
  const forget = useRef<() => void>();
  useEffect(() => () => forget.current?.(), []);

  const onMount = useCallback(
    (editor: MonacoEditor, monaco: Monaco) => {
      const stopCompletion = provideFor(editor, () => now.current.source);
      const size = editor.onDidContentSizeChange((e) =>
        setHeight(Math.min(Math.max(e.contentHeight, lineHeight + 10), maxLines * lineHeight + 10))
      );
      setHeight(Math.min(Math.max(editor.getContentHeight(), lineHeight + 10), maxLines * lineHeight + 10));
      const change = editor.onDidChangeModelContent(() => {
        const text = editor.getValue();
        if (text !== now.current.value) {
          now.current.onChange(text);
        }
      });
      // Commands are shared by all editors of a page; the key's condition keeps this one to this editor.
      const focused = editor.createContextKey<boolean>(`insightd-${id}`, false);
      let before = editor.getValue();
      const focus = editor.onDidFocusEditorText(() => {
        focused.set(true);
        before = editor.getValue();
      });
      const run = () => {
        before = editor.getValue();
        now.current.onRunQuery();
      };
      const blur = editor.onDidBlurEditorText(() => {
        focused.set(false);
        if (editor.getValue() !== before) {
          run();
        }
      });
      for (const key of [monaco.KeyMod.Shift, monaco.KeyMod.CtrlCmd]) {
        editor.addCommand(key | monaco.KeyCode.Enter, run, `insightd-${id}`);
      }
      // The search box of the editor has no place in a field.
      editor.addCommand(monaco.KeyMod.CtrlCmd | monaco.KeyCode.KeyF, () => undefined, `insightd-${id}`);
      forget.current = () => [size, change, focus, blur, stopCompletion].forEach((d) => d.dispose());
    },
    [id]
  );

  return (
    <div className={styles.box}>
      <CodeEditor
        value={value}
        language={languageId(language)}
        height={height}
        showMiniMap={false}
        showLineNumbers={false}
        onBeforeEditorMount={registerLanguages}
        onEditorDidMount={onMount}
        containerStyles={styles.editor}
        monacoOptions={{
          ...editorOptions,
          // Monaco says this to screen readers.
          ...({ ariaLabel: label } as object),
        }}
      />
      {value === '' && (
        <div className={styles.placeholder} aria-hidden>
          {placeholder}
        </div>
      )}
    </div>
  );
}

const editorOptions = {
  codeLens: false,
  contextmenu: false,
  folding: false,
  glyphMargin: false,
  fixedOverflowWidgets: true,
  fontSize: 13,
  lineDecorationsWidth: 8,
  lineHeight,
  lineNumbersMinChars: 0,
  links: false,
  minimap: { enabled: false },
  occurrencesHighlight: false,
  overviewRulerBorder: false,
  overviewRulerLanes: 0,
  padding: { top: 5, bottom: 5 },
  quickSuggestions: { other: true, strings: true, comments: false },
  renderLineHighlight: 'none',
  scrollBeyondLastLine: false,
  scrollbar: { vertical: 'hidden', horizontal: 'hidden', alwaysConsumeMouseWheel: false },
  suggestFontSize: 12,
  wordBasedSuggestions: false,
  wordWrap: 'on',
} as const;

const getStyles = (theme: GrafanaTheme2) => ({
  box: css({ position: 'relative', minWidth: 0 }),
  editor: css({
    borderRadius: theme.shape.radius.default,
    border: `1px solid ${theme.components.input.borderColor}`,
    overflow: 'hidden',
    '&:focus-within': { borderColor: theme.colors.primary.border },
  }),
  placeholder: css({
    position: 'absolute',
    top: 6,
    left: 9,
    right: 9,
    overflow: 'hidden',
    textOverflow: 'ellipsis',
    whiteSpace: 'nowrap',
    pointerEvents: 'none',
    fontFamily: theme.typography.fontFamilyMonospace,
    fontSize: 13,
    lineHeight: `${lineHeight}px`,
    color: theme.colors.text.disabled,
  }),
});
